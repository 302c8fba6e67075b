"""Measuring classifiers: metrics, and the evaluation of a bundle."""
