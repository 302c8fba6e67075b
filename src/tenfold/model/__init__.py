"""Networks, their pooling and its kernels, and bundles of trained weights."""
