"""What trains or measures more than once: repeat, sweep, audit, tune, compare."""
