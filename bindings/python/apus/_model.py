"""A model: a file, mapped and checked. Immutable, shared by sessions and threads."""

from __future__ import annotations

import ctypes
import os
from ctypes import c_int64, c_void_p, sizeof
from typing import Any, List, Mapping, Optional, Sequence, Union

import numpy as np

from ._errors import ApusError, Status, check, new_error
from ._library import CInputShape, CModelOptions, CSessionOptions, CTensorInfo, lib
from ._session import Session
from ._tensors import TensorInfo, tensor_info


class Model:
    """An open model.

    Args:
        path: the `.apus` file. It is mapped, not read, and must not be changed in place while the
            model is open.
        isa: the kernel module: "baseline", "avx2", "avx512" or "avx512vnni". None: what the
            environment variable APUS_ISA names, or the best that this processor runs.
        verify_weights: whether to compute the checksum of the weights. Everything else in the file
            is checked always.

    Raises:
        ApusError: with what is wrong with the file or the arguments.

    A model may be used by any number of threads at once. It is closed when its last reference goes,
    by `close()`, or at the end of a `with` block; sessions that are still there go on working.
    """

    def __init__(
        self,
        path: "Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]",
        isa: Optional[str] = None,
        *,
        verify_weights: bool = True,
    ) -> None:
        self._handle: Optional[c_void_p] = None
        self._bytes: Any = None
        encoded = os.fsencode(path)
        if b"\0" in encoded:
            raise ApusError(Status.INVALID_ARGUMENT, "path has a NUL character inside")
        options = _model_options(isa, verify_weights)
        handle = c_void_p()
        error, pointer = new_error()
        check(
            lib.apus_model_open(encoded, ctypes.byref(options), ctypes.byref(handle), pointer),
            error,
        )
        self._handle = handle

    @classmethod
    def from_bytes(
        cls, data: Any, isa: Optional[str] = None, *, verify_weights: bool = True
    ) -> "Model":
        """Opens a model from anything that holds its bytes: bytes, memoryview, mmap, ndarray.

        The bytes are kept alive and, where they start at a multiple of 64, used in place: they must
        not change while the model or a session of it is there.
        """
        view = np.frombuffer(data, dtype=np.uint8)
        options = _model_options(isa, verify_weights)
        handle = c_void_p()
        error, pointer = new_error()
        start = view.__array_interface__["data"][0] if view.size else None
        empty = ctypes.create_string_buffer(1)
        check(
            lib.apus_model_open_memory(
                start if start is not None else ctypes.addressof(empty),
                view.size,
                ctypes.byref(options),
                ctypes.byref(handle),
                pointer,
            ),
            error,
        )
        model = cls.__new__(cls)
        model._handle = handle
        model._bytes = view
        return model

    # ---- What it is

    @property
    def inputs(self) -> List[TensorInfo]:
        """The inputs of the function that runs by default."""
        return _infos(lib.apus_model_input_count, lib.apus_model_input_info, self._pointer)

    @property
    def outputs(self) -> List[TensorInfo]:
        """The outputs of the function that runs by default."""
        return _infos(lib.apus_model_output_count, lib.apus_model_output_info, self._pointer)

    @property
    def functions(self) -> List[str]:
        """The names of the model's functions, which share its weights and states."""
        handle = self._pointer
        return [
            lib.apus_model_function_name(handle, i).decode("utf-8")
            for i in range(lib.apus_model_function_count(handle))
        ]

    @property
    def isa(self) -> str:
        """The kernel module that the model was opened for."""
        name: bytes = lib.apus_model_isa(self._pointer)
        return name.decode("ascii")

    @property
    def precisions(self) -> Tuple[str, ...]:
        """What sessions of the model may multiply matrices in: "float32", and "bf16" where the
        processor has it."""
        handle = self._pointer
        return tuple(
            name
            for number, name in enumerate(_PRECISIONS)
            if lib.apus_model_has_precision(handle, number)
        )

    def metadata(self, key: str, default: Optional[str] = None) -> Optional[str]:
        """The value of a metadata entry ("name", "labels", "producer" ...), or `default`."""
        value: Optional[bytes] = lib.apus_model_metadata(self._pointer, _encode("key", key))
        return default if value is None else value.decode("utf-8")

    # ---- Sessions

    def session(
        self,
        threads: int = 1,
        shapes: Optional[Mapping[str, Sequence[int]]] = None,
        function: Optional[str] = None,
        spin_microseconds: Optional[int] = None,
        precision: str = "float32",
        winograd: bool = True,
    ) -> Session:
        """Plans a function and makes a session that runs it.

        Args:
            threads: threads that share the work of a run, the caller's among them: 1 to 64. The
                results are the same bits for every number.
            shapes: the shape of each input that has free dimensions, by name. A free dimension
                that nothing binds is 1.
            function: the function to run; None: "main", or the first where there is none.
            spin_microseconds: how long a thread of the session spins for more work before it
                sleeps. None: 200; 1: next to none, for machines that have other work.
            precision: what matrices are multiplied in: "float32" or "bf16", faster and with half
                of the memory for weights, where `precisions` has it; see apus_precision in apus.h.
            winograd: whether 3 x 3 convolutions may be computed by Winograd's transforms: faster,
                but packed weights take up to seven times the model's bytes.
        """
        handle = self._pointer
        options = CSessionOptions(struct_size=sizeof(CSessionOptions))
        options.threads = _count("threads", threads)
        if spin_microseconds is not None:
            options.spin_microseconds = _count("spin_microseconds", spin_microseconds)
        if precision not in _PRECISIONS:
            raise ApusError(
                Status.INVALID_ARGUMENT,
                f"precision is {precision!r}; there are {' and '.join(_PRECISIONS)}",
            )
        options.precision = _PRECISIONS.index(precision)
        options.no_winograd = not winograd
        if function is not None:
            options.function = _encode("function", function)
        if shapes:
            list_of_shapes = (CInputShape * len(shapes))()
            kept = []
            for entry, (name, shape) in zip(list_of_shapes, shapes.items()):
                try:
                    dims = (c_int64 * len(shape))(*shape)
                except TypeError:
                    raise ApusError(
                        Status.INVALID_SHAPE, f"shapes: {shape!r} for {name} is no shape"
                    ) from None
                kept.append(dims)
                entry.name = _encode("shapes", name)
                entry.rank = len(shape)
                entry.dims = dims
            options.input_shapes = list_of_shapes
            options.input_shape_count = len(shapes)
        session = c_void_p()
        error, pointer = new_error()
        check(
            lib.apus_session_create(
                handle, ctypes.byref(options), ctypes.byref(session), pointer
            ),
            error,
        )
        return Session(session, self._bytes)

    # ---- Life

    @property
    def _pointer(self) -> c_void_p:
        if self._handle is None:
            raise ApusError(Status.INVALID_HANDLE, "the model is closed")
        return self._handle

    def close(self) -> None:
        """Closes the model. Doing it twice is harmless."""
        handle, self._handle = self._handle, None
        if handle is not None:
            lib.apus_model_close(handle)
        self._bytes = None

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<apus.Model, closed>"
        inputs = ", ".join(f"{t.name}: {t.dtype}{list(t.shape)}" for t in self.inputs)
        outputs = ", ".join(f"{t.name}: {t.dtype}{list(t.shape)}" for t in self.outputs)
        return f"<apus.Model ({inputs}) -> ({outputs}), {self.isa}>"


# In the order of apus_precision.
_PRECISIONS = ("float32", "bf16")


def _model_options(isa: Optional[str], verify_weights: bool) -> CModelOptions:
    options = CModelOptions(struct_size=sizeof(CModelOptions))
    if isa is not None:
        options.isa = _encode("isa", isa)
    options.skip_weight_checksum = 0 if verify_weights else 1
    return options


def _encode(what: str, text: str) -> bytes:
    if not isinstance(text, str):
        raise ApusError(Status.INVALID_ARGUMENT, f"{what}: {text!r} is no string")
    if "\0" in text:
        raise ApusError(Status.INVALID_ARGUMENT, f"{what} has a NUL character inside")
    return text.encode("utf-8", "surrogateescape")


def _count(what: str, number: int) -> int:
    if not isinstance(number, (int, np.integer)) or number < 1:
        raise ApusError(
            Status.INVALID_ARGUMENT, f"{what} is {number!r}; a number from 1 on is wanted"
        )
    return min(int(number), 2**31)


def _infos(count: Any, info: Any, handle: c_void_p) -> List[TensorInfo]:
    result = []
    error, pointer = new_error()
    for i in range(count(handle)):
        raw = CTensorInfo(struct_size=sizeof(CTensorInfo))
        check(info(handle, i, ctypes.byref(raw), pointer), error)
        result.append(tensor_info(raw))
    return result
