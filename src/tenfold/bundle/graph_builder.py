"""An ONNX graph that is written node by node.

A tracer would turn fused kernels into a graph that is neither small nor stable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

_OPSET_VERSION = 21
_IR_VERSION = 10  # the format of ONNX files that goes with the opset
_BATCH_NORM_EPSILON = 1e-5  # torch's
_MAX_STEP = 127  # as far below 0 as above

Array = npt.NDArray[Any]
KeptType = Literal["float32", "float16", "int8"]


@dataclass
class GraphBuilder:
    """Nodes in order, and constants by name.

    Attributes:
        weight_type: of the weights that `weights` keeps.
    """

    weight_type: KeptType = "float32"
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str = "",
        **attributes: Any,  # noqa: ANN401 - integers or lists of them
    ) -> str:
        """Append a node of one output, and return that output's name."""
        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def floats(self, name: str, value: npt.ArrayLike) -> str:
        """Keep a float32 constant under a name, and return the name."""
        array = np.ascontiguousarray(value, np.float32)
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def weights(self, name: str, value: Array, axis: int) -> str:
        """Keep a layer's weights as `weight_type`, and return the name of a float32 constant.

        Integers have a scale for each output of the layer. Runtimes that fold constants compute
        their products once, when they load the model.

        Args:
            name: of the constant.
            value: the weights.
            axis: of the layer's outputs.
        """
        if self.weight_type == "float32":
            return self.floats(name, value)
        if self.weight_type == "float16":
            return self._widened(name, np.asarray(value, np.float16))
        steps, scales = quantize(value, axis)
        return self.add("Mul", [self._widened(name, steps), self.floats(f"{name}.scale", scales)])

    def _widened(self, name: str, value: Array) -> str:
        """Keep a constant, and return the name of its float32 copy."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return self.add("Cast", [name], to=onnx.TensorProto.FLOAT)

    def layer_inputs(
        self, x: str, layer: str, weight: Array, bias: Array, *, axis: int = 0
    ) -> list[str]:
        """Keep a layer's weights, whose outputs lie along an axis, and bias; return all inputs."""
        kept = self.weights(f"{layer}.weight", weight, axis)
        return [x, kept, self.floats(f"{layer}.bias", bias)]

    def integers(self, name: str, *values: npt.ArrayLike) -> str:
        """Keep an int64 constant under a name, and return the name."""
        self.constants[name] = numpy_helper.from_array(np.array(values, np.int64), name)
        return name

    def model(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
        metadata: Mapping[str, str],
    ) -> onnx.ModelProto:
        """Return the checked model of this graph.

        Args:
            name: of the graph.
            inputs: names, types and shapes.
            outputs: names, types and shapes.
            metadata: travels in the model.
        """
        constants = list(self.constants.values())
        model = helper.make_model(
            helper.make_graph(self.nodes, name, inputs, outputs, constants),
            producer_name="tenfold",
            opset_imports=[helper.make_opsetid("", _OPSET_VERSION)],
            ir_version=_IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model, full_check=True)
        return model


def quantize(weight: Array, axis: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round weights to multiples of one scale for each index of an axis.

    Returns:
        the multiples int8, -127 … 127, and the scales float32, of length 1 along the other axes.
    """
    others = tuple(other for other in range(weight.ndim) if other != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scale = (largest / _MAX_STEP).astype(np.float32)
    scale = np.where(scale > 0, scale, np.float32(1))
    steps = np.rint(weight / scale).clip(-_MAX_STEP, _MAX_STEP)
    return steps.astype(np.int8), scale


def fold_batch_norm(weight: Array, norm: Sequence[Array]) -> tuple[Array, Array]:
    """Return a layer's weight [o, …] and bias [o] in float64 with its batch norm folded in.

    Args:
        weight: [o, …], of a layer without a bias.
        norm: gain, bias, running mean and running variance, [o] each.
    """
    gain, bias, mean, variance = (value.astype(np.float64) for value in norm)
    scale = gain / np.sqrt(variance + _BATCH_NORM_EPSILON)
    weight = weight.astype(np.float64)
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), bias - mean * scale
