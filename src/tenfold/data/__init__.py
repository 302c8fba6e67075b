"""Digit images and their labels: files, data sets, their sources, the training stream."""
