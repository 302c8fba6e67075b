"""The network, its pooling and its kernels."""
