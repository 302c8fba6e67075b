"""The report of a run, or of several: figures and one self-contained page."""
