"""Training: recipe, schedule, task, step, optimizer, EMA, checkpoints, journal."""
