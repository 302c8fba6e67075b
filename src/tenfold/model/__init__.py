"""The networks, the classifier's pooling and its kernels."""
