"""A trained classifier on disk, as an ONNX graph, and in torch."""
