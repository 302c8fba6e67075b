"""A graph that asks for memory or time without end is refused, whatever its file promises."""

import resource
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tenfold.bundle import runtime
from tenfold.bundle.format import BundleConfig
from tenfold.bundle.runtime import OnnxClassifier
from tenfold.errors import BundleError
from tenfold.model.config import NetworkConfig

Nodes = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]
CONFIG = BundleConfig(name="hostile", members=(NetworkConfig(),))


def integers(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def floats(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def model_with(hostile: Nodes) -> bytes:
    """Return a model of the right inputs and outputs, which depend on a tensor `hostile`."""
    nodes, constants = hostile
    nodes = [
        *nodes,
        helper.make_node("ReduceSum", ["hostile"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["images"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["levels", "plane"], ["mass"], keepdims=0),
        helper.make_node("Mul", ["mass", "sum"], ["product"]),
        helper.make_node("Reshape", ["product", "column"], ["one"]),
        helper.make_node("Expand", ["one", "row"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
        helper.make_node("Unsqueeze", ["probabilities", "axis"], ["members"]),
    ]
    constants = [
        *constants,
        integers("plane", 1, 2),
        integers("column", -1, 1),
        integers("row", 1, 10),
        integers("axis", 1),
    ]
    values = helper.make_tensor_value_info
    images = [values("images", TensorProto.UINT8, ["n", 28, 28])]
    outputs = [
        values("probabilities", TensorProto.FLOAT, ["n", 10]),
        values("members", TensorProto.FLOAT, ["n", 1, 10]),
    ]
    graph = helper.make_graph(nodes, "hostile", images, outputs, constants)
    opset = [helper.make_opsetid("", 21)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    return bytes(model.SerializeToString())


def filled(*shape: int) -> Nodes:
    return [helper.make_node("ConstantOfShape", ["s"], ["hostile"])], [integers("s", *shape)]


def outer_product(side: int) -> Nodes:
    node = helper.make_node("Mul", ["a", "b"], ["hostile"])
    return [node], [floats("a", side, 1), floats("b", 1, side)]


def doubled(times: int) -> Nodes:
    names = ["d0", *(f"d{i}" for i in range(1, times)), "hostile"]
    nodes = [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in pairwise(names)]
    return nodes, [floats("d0", 1)]


def promised(*shape: int) -> Nodes:
    tensor = TensorProto(name="a", data_type=TensorProto.FLOAT, dims=shape, raw_data=b"\0" * 16)
    return [helper.make_node("Identity", ["a"], ["hostile"])], [tensor]


def endless() -> Nodes:
    values = helper.make_tensor_value_info
    step = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["x"], ["y"])],
        "step",
        [values("i", TensorProto.INT64, []), values("c", TensorProto.BOOL, []),
         values("x", TensorProto.FLOAT, [1])],
        [values("d", TensorProto.BOOL, []), values("y", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    on = numpy_helper.from_array(np.array([1], bool).reshape(()), "on")
    count = numpy_helper.from_array(np.array(2**62, np.int64), "count")
    node = helper.make_node("Loop", ["count", "on", "start"], ["hostile"], body=step)
    return [node], [on, count, floats("start", 1)]


def test_the_frame_itself_is_a_classifier() -> None:
    images = np.zeros((3, 28, 28), np.uint8)
    probabilities = OnnxClassifier(CONFIG, model_with(filled(2, 2))).probabilities(images)
    np.testing.assert_allclose(probabilities, 0.1)


FAULTS: dict[str, tuple[Callable[[], Nodes], str]] = {
    "160 GB": (lambda: filled(200_000, 200_000), "failed: .*memory"),
    "1.6 GB": (lambda: filled(20_000, 20_000), "failed: .*memory"),
    "an outer product": (lambda: outer_product(20_000), "failed: .*memory"),
    "doubled": (lambda: doubled(34), "failed: .*(memory|1 s)"),
    "promised": (lambda: promised(2**40), "cannot be loaded: "),
    "overflow": (lambda: promised(2**31, 2**31, 2**31), "cannot be loaded: "),
    "negative": (lambda: promised(-5), "cannot be loaded: "),
    "endless": (endless, "failed: one image takes more than 1 s"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_time_and_memory_are_bounded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, fault = FAULTS[name]
    monkeypatch.setattr(runtime, "TRIAL_SECONDS", 1)
    model = model_with(make())
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match=fault) as raised:
        OnnxClassifier(CONFIG, model)
    assert time.monotonic() - begun < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 800 * 2**10  # KiB
    assert "\n" not in str(raised.value)


def test_time_is_cpu_time_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waits for a busy machine takes longer on the clock."""
    monkeypatch.setattr(runtime, "MAX_SLOWDOWN", 4)
    assert runtime._within(0.1, lambda: time.sleep(0.2)) is None
    with pytest.raises(TimeoutError, match=r"more than 0\.1 s"):
        runtime._within(0.1, lambda: time.sleep(2))
