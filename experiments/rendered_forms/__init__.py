"""Rendered forms, filled in by hand: what `forms_reading.py` measures a bundle with."""
