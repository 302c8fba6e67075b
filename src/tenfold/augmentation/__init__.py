"""Training batches: sampling, moving, degrading, outlier exposure."""
