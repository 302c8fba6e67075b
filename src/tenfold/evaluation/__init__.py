"""Measuring classifiers and readers: metrics, statistics, the evaluation of a bundle."""
