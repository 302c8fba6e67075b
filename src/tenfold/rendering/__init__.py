"""Synthetic digits and documents with exact labels: strokes, fonts, pens, paper, a camera."""
