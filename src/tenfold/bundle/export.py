"""A bundle's ONNX model as a file for other programs, with eight-bit weights if asked for."""

from pathlib import Path

from tenfold.bundle.format import read_card, read_model
from tenfold.files import write_atomically


def export_onnx(bundle: Path, out: Path, *, batch: int | None = None, int8: bool = False) -> None:
    """Write a bundle's ONNX model to a file.

    Args:
        bundle: see `find_bundle`.
        out: the file.
        batch: images in one call; any number if None.
        int8: keep weights in eight bits; all is computed in float32.

    Raises:
        BundleError: the bundle is damaged; no file is written.
        WriteError: the file cannot be written.
    """
    model = _int8_model(bundle) if int8 else read_model(bundle)[1]
    if batch is not None:
        model = _with_batch(model, batch)
    write_atomically(out, model)


def _int8_model(bundle: Path) -> bytes:
    """Write the model once more, from the bundle's weights."""
    from tenfold.bundle.graph import build_graph
    from tenfold.bundle.weights import read_weights

    config, weights = read_weights(bundle)
    config = config.model_copy(update={"weight_type": "int8"})
    data: bytes = build_graph(config, weights, read_card(bundle)).SerializeToString()
    return data


def _with_batch(model: bytes, batch: int) -> bytes:
    """Return the ONNX model for exactly `batch` images in one call."""
    import onnx

    changed = onnx.load_from_string(model)
    del changed.graph.value_info[:]  # shapes between the nodes, for any batch
    for value in (*changed.graph.input, *changed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    onnx.checker.check_model(changed, full_check=True)
    data: bytes = changed.SerializeToString()
    return data
