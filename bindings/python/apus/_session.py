"""A session: one arena, and everything prepared to run one function in it."""

from __future__ import annotations

import ctypes
import threading
from ctypes import c_void_p, sizeof
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Union

import numpy as np
import numpy.typing as npt

from ._errors import ApusError, Status, check, new_error
from ._library import CMemoryInfo, CTensorInfo, lib
from ._tensors import TensorInfo, as_input, tensor_info


class MemoryInfo(NamedTuple):
    """What a session's memory is for, in bytes."""

    arena: int
    """Tensors, states and scratch."""
    arena_lower_bound: int
    """The most that is alive at one moment: no plan can need less."""
    states: int
    """Of the arena: what is kept from run to run."""
    packed_weights: int
    """Shared by the model's sessions: weights in the kernels' order."""


class Session:
    """Runs one function of a model; made by `Model.session()`.

    Calls from several threads wait for each other; for work side by side make a session for each.
    The interpreter's lock is released while a run computes.
    """

    def __init__(self, handle: c_void_p, model_bytes: Any) -> None:
        self._handle: Optional[c_void_p] = handle
        # Memory that the model was opened from outlives every session.
        self._model_bytes = model_bytes
        self._lock = threading.Lock()
        self._inputs = self._infos(lib.apus_session_input_count, lib.apus_session_input_info)
        self._outputs = self._infos(lib.apus_session_output_count, lib.apus_session_output_info)

    # ---- What it is

    @property
    def inputs(self) -> List[TensorInfo]:
        """The function's inputs; no dimension is free any more."""
        return list(self._inputs)

    @property
    def outputs(self) -> List[TensorInfo]:
        """The function's outputs; no dimension is free any more. Where a shape depends on the data it
        is an upper bound: what `run` returns has the real one."""
        return list(self._outputs)

    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena: every tensor, state and scratch buffer."""
        return self.memory.arena

    @property
    def memory(self) -> MemoryInfo:
        """What the session's memory is for."""
        info = CMemoryInfo(struct_size=sizeof(CMemoryInfo))
        lib.apus_session_memory_info(self._pointer, ctypes.byref(info))
        return MemoryInfo(
            info.arena, info.arena_lower_bound, info.states, info.packed_weights
        )

    # ---- Running

    def run(
        self, inputs: Union[Mapping[str, npt.ArrayLike], npt.ArrayLike, None] = None
    ) -> Dict[str, np.ndarray]:
        """Computes the outputs and carries the states one run further.

        Args:
            inputs: an array for each input, by name; the array itself where there is one input;
                nothing where there is none. An array that is C-contiguous and of the input's type
                is read where it is, without a copy. float64 and lists are converted.

        Returns:
            A new array for each output, by name.

        Raises:
            ApusError: an input is missing or unknown, or of a shape or type that does not fit.
        """
        arrays = self._match(inputs)
        error, pointer = new_error()
        with self._lock:
            handle = self._pointer
            bound = 0
            try:
                for i, array in enumerate(arrays):
                    flags = array.flags
                    if not (flags.c_contiguous and flags.aligned):
                        array = arrays[i] = np.array(array, order="C")
                    address = array.__array_interface__["data"][0]
                    check(
                        lib.apus_session_bind_input(handle, i, address, array.nbytes, pointer),
                        error,
                    )
                    bound += 1
                check(lib.apus_session_run(handle, pointer), error)
                # Before the inputs go: an output may be a view of one.
                return self._read(handle)
            finally:
                for i in range(bound):
                    lib.apus_session_bind_input(handle, i, None, 0, None)

    def reset(self) -> None:
        """Puts every state back to its initial value."""
        with self._lock:
            lib.apus_session_reset(self._pointer)

    def _match(self, inputs: Any) -> List[np.ndarray]:
        wanted = self._inputs
        if inputs is None:
            inputs = {}
        elif not isinstance(inputs, Mapping):
            if len(wanted) != 1:
                raise ApusError(
                    Status.INVALID_ARGUMENT,
                    f"the function has {len(wanted)} inputs ({_names(wanted)}): "
                    "pass a dictionary of arrays by name",
                )
            return [as_input(inputs, wanted[0])]
        for name in inputs:
            if not any(t.name == name for t in wanted):
                raise ApusError(
                    Status.UNKNOWN_NAME,
                    f"there is no input called {name!r}; there are: {_names(wanted)}",
                )
        for t in wanted:
            if t.name not in inputs:
                raise ApusError(
                    Status.UNKNOWN_NAME,
                    f"input {t.name} is missing; wanted are: {_names(wanted)}",
                )
        return [as_input(inputs[t.name], t) for t in wanted]

    def _read(self, handle: c_void_p) -> Dict[str, np.ndarray]:
        result = {}
        for i, t in enumerate(self._outputs):
            tensor = lib.apus_session_output(handle, i)
            # Not t.shape: what depends on the data may be smaller than planned.
            array = np.empty(tuple(tensor.dims[: tensor.rank]), t.dtype)
            ctypes.memmove(array.__array_interface__["data"][0], tensor.data, tensor.bytes)
            result[t.name] = array
        return result

    def _infos(self, count: Any, info: Any) -> List[TensorInfo]:
        result = []
        error, pointer = new_error()
        for i in range(count(self._pointer)):
            raw = CTensorInfo(struct_size=sizeof(CTensorInfo))
            check(info(self._pointer, i, ctypes.byref(raw), pointer), error)
            result.append(tensor_info(raw))
        return result

    # ---- Life

    @property
    def _pointer(self) -> c_void_p:
        if self._handle is None:
            raise ApusError(Status.INVALID_HANDLE, "the session is closed")
        return self._handle

    def close(self) -> None:
        """Frees the session. Doing it twice is harmless."""
        with self._lock:
            handle, self._handle = self._handle, None
            if handle is not None:
                lib.apus_session_destroy(handle)
        self._model_bytes = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None) is not None:
            self.close()

    def __repr__(self) -> str:
        if self._handle is None:
            return "<apus.Session, closed>"
        return f"<apus.Session ({_names(self._inputs)}) -> ({_names(self._outputs)})>"


def _names(tensors: List[TensorInfo]) -> str:
    return ", ".join(t.name for t in tensors) or "none"
