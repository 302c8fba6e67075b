"""Digits read over HTTP."""
