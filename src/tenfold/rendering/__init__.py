"""Synthetic documents with exact labels: glyphs, pens, paper, camera."""
