"""Digit images and labels: files, data sets and sources, decoding, normalisation, sampling."""
