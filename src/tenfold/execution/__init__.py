"""Where a run trains: this machine, a Ray cluster; its folder."""
