"""The container of TensorFlow Lite: tensors, buffers and operators in a flatbuffer."""

from typing import List, Sequence

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Operator = schema.BuiltinOperator
# The versions of operators that have the options used here; 1 for the others.
VERSIONS = {
    Operator.FULLY_CONNECTED: 5,
    Operator.UNIDIRECTIONAL_SEQUENCE_LSTM: 3,
    Operator.BIDIRECTIONAL_SEQUENCE_LSTM: 3,
}
TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int8): schema.TensorType.INT8,
}


class File:
    def __init__(self) -> None:
        self.tensors: List[schema.TensorT] = []
        self.buffers: List[bytes] = [b""]
        self.operators: List[schema.OperatorT] = []
        self.codes: List[int] = []

    def new(self, name: str, shape: Sequence[int], data=None, variable: bool = False) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.isVariable = name, [int(n) for n in shape], variable
        made.type = TYPES[data.dtype] if data is not None else schema.TensorType.FLOAT32
        made.buffer = 0
        if data is not None:
            made.buffer = len(self.buffers)
            self.buffers.append(np.ascontiguousarray(data).tobytes())
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, array: np.ndarray, scales=None, axis: int = 0) -> int:
        """Integers with `scales` stand for real numbers; several scales lie along the axis."""
        if array.dtype not in TYPES:
            array = array.astype(np.float32)
        made = self.new(f"constant{len(self.tensors)}", array.shape, array)
        if scales is not None:
            self.scale(made, scales, axis=axis)
        return made

    def scale(self, number: int, scales: Sequence[float], zero: int = 0, axis: int = 0) -> None:
        """The tensor's integers stand for scale * (q - zero)."""
        made = schema.QuantizationParametersT()
        made.scale = np.asarray(scales, np.float32)
        made.zeroPoint = np.full(len(scales), zero, np.int64)
        made.quantizedDimension = axis
        self.tensors[number].quantization = made

    def alike(self, name: str, shape: Sequence[int], other: int) -> int:
        """A new tensor of the other one's type and scale."""
        made = self.new(name, shape)
        for part in ("type", "quantization"):
            setattr(self.tensors[made], part, getattr(self.tensors[other], part))
        return made

    def shape(self, number: int) -> List[int]:
        return list(self.tensors[number].shape)

    # ---- Operators

    def operator(self, code: int, inputs: List[int], outputs: List[int], options=None) -> None:
        if code not in self.codes:
            self.codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self.codes.index(code), inputs, outputs
        if options is not None:
            kind = type(options).__name__[:-1]  # Conv2DOptionsT
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = options
        self.operators.append(made)

    def bytes_of(self, inputs: Sequence[int], outputs: Sequence[int], description: str) -> bytes:
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = "main", self.tensors, self.operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.description = 3, description
        model.subgraphs = [graph]
        model.buffers = []
        for data in self.buffers:
            buffer = schema.BufferT()
            if data:
                buffer.data = np.frombuffer(data, np.uint8)
            model.buffers.append(buffer)
        model.operatorCodes = []
        for code in self.codes:
            made = schema.OperatorCodeT()
            made.builtinCode, made.deprecatedBuiltinCode = code, min(code, 127)
            made.version = VERSIONS.get(code, 1)
            model.operatorCodes.append(made)
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
