"""Fast paths on a CPU, each with a reference in plain PyTorch."""
