"""Digit images and labels: files, data sets and their sources, decoding, normalisation, sampling."""
