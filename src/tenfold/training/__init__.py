"""Recipes, schedules, the training loop, run folders and ensembles."""
