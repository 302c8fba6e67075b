"""What trains more than once: repeat, sweep, audit."""
