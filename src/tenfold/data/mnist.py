"""MNIST's format, which every image of one digit has: ten classes, 28 × 28 grey levels."""

CLASSES = 10
NON_DIGIT_LABEL = -1
SIDE = 28
"""Pixels along each side of an image."""
