"""Finds libapus.so and declares its functions for ctypes. include/apus.h is the authority."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p
from pathlib import Path
from typing import Iterator

MAX_RANK = 8
_MESSAGE_SIZE = 512


class CError(Structure):
    """apus_error"""

    _fields_ = [("status", c_int), ("message", ctypes.c_char * _MESSAGE_SIZE)]


class CBuildInfo(Structure):
    """apus_build_info"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("version", c_char_p),
        ("format_version_min", c_uint32),
        ("format_version_max", c_uint32),
        ("compiler", c_char_p),
        ("instruction_sets", c_char_p),
        ("best_instruction_set", c_char_p),
        ("operator_count", c_uint32),
    ]


class CTensorInfo(Structure):
    """apus_tensor_info"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("dtype", c_int),
        ("rank", c_size_t),
        ("dims", c_int64 * MAX_RANK),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
    ]


class CTensor(Structure):
    """apus_tensor"""

    _fields_ = [
        ("data", c_void_p),
        ("bytes", c_size_t),
        ("dtype", c_int),
        ("rank", c_size_t),
        ("dims", c_int64 * MAX_RANK),
    ]


class CModelOptions(Structure):
    """apus_model_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("isa", c_char_p),
        ("skip_weight_checksum", c_int),
    ]


class CInputShape(Structure):
    """apus_input_shape"""

    _fields_ = [("name", c_char_p), ("rank", c_size_t), ("dims", POINTER(c_int64))]


class CSessionOptions(Structure):
    """apus_session_options"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("function", c_char_p),
        ("threads", c_size_t),
        ("arena", c_void_p),
        ("arena_size", c_size_t),
        ("input_shapes", POINTER(CInputShape)),
        ("input_shape_count", c_size_t),
        ("spin_microseconds", c_uint32),
        ("parallel_for", c_void_p),
        ("parallel_for_context", c_void_p),
        ("precision", c_int),
        ("no_winograd", c_int),
    ]


class CMemoryInfo(Structure):
    """apus_memory_info"""

    _fields_ = [
        ("struct_size", c_size_t),
        ("arena", c_size_t),
        ("arena_lower_bound", c_size_t),
        ("states", c_size_t),
        ("packed_weights", c_size_t),
    ]


_ERROR = POINTER(CError)

# Result and arguments of each function, in the order of apus.h. Handles are plain pointers.
_SIGNATURES = {
    "apus_version": (c_char_p, []),
    "apus_version_number": (c_uint32, []),
    "apus_get_build_info": (None, [POINTER(CBuildInfo)]),
    "apus_status_name": (c_char_p, [c_int]),
    "apus_model_open": (
        c_int,
        [c_char_p, POINTER(CModelOptions), POINTER(c_void_p), _ERROR],
    ),
    "apus_model_open_memory": (
        c_int,
        [c_void_p, c_size_t, POINTER(CModelOptions), POINTER(c_void_p), _ERROR],
    ),
    "apus_model_close": (None, [c_void_p]),
    "apus_model_function_count": (c_size_t, [c_void_p]),
    "apus_model_function_name": (c_char_p, [c_void_p, c_size_t]),
    "apus_model_input_count": (c_size_t, [c_void_p]),
    "apus_model_input_info": (c_int, [c_void_p, c_size_t, POINTER(CTensorInfo), _ERROR]),
    "apus_model_output_count": (c_size_t, [c_void_p]),
    "apus_model_output_info": (c_int, [c_void_p, c_size_t, POINTER(CTensorInfo), _ERROR]),
    "apus_model_metadata": (c_char_p, [c_void_p, c_char_p]),
    "apus_model_isa": (c_char_p, [c_void_p]),
    "apus_model_has_precision": (c_int, [c_void_p, c_int]),
    "apus_session_create": (
        c_int,
        [c_void_p, POINTER(CSessionOptions), POINTER(c_void_p), _ERROR],
    ),
    "apus_session_destroy": (None, [c_void_p]),
    "apus_session_input_count": (c_size_t, [c_void_p]),
    "apus_session_output_count": (c_size_t, [c_void_p]),
    "apus_session_input_info": (c_int, [c_void_p, c_size_t, POINTER(CTensorInfo), _ERROR]),
    "apus_session_output_info": (c_int, [c_void_p, c_size_t, POINTER(CTensorInfo), _ERROR]),
    "apus_session_input": (CTensor, [c_void_p, c_size_t]),
    "apus_session_output": (CTensor, [c_void_p, c_size_t]),
    "apus_session_bind_input": (c_int, [c_void_p, c_size_t, c_void_p, c_size_t, _ERROR]),
    "apus_session_run": (c_int, [c_void_p, _ERROR]),
    "apus_session_reset": (None, [c_void_p]),
    "apus_session_memory_info": (None, [c_void_p, POINTER(CMemoryInfo)]),
}


def candidates() -> Iterator[str]:
    """Where the library may be, the first that exists is taken: beside this package (where pip
    puts it), the environment variable APUS_LIBRARY, the build folder of a checkout, the system."""
    package = Path(__file__).resolve().parent
    yield str(package / "libapus.so")
    override = os.environ.get("APUS_LIBRARY")
    if override:
        yield override
    # bindings/python/apus or build/python/apus in a checkout.
    yield str(package.parents[2] / "build" / "lib" / "libapus.so")
    yield str(package.parents[1] / "lib" / "libapus.so")
    found = ctypes.util.find_library("apus")
    if found:
        yield found
    yield "libapus.so.1"


def load() -> ctypes.CDLL:
    """Loads the library and declares its functions.

    Raises ImportError where there is none, or where it lacks a function that this package calls.
    """
    tried = []
    for path in candidates():
        if os.sep in path and not os.path.exists(path):
            tried.append(f"{path}: no such file")
            continue
        try:
            library = ctypes.CDLL(path)
        except OSError as problem:
            tried.append(f"{path}: {problem}")
            continue
        for name, (result, arguments) in _SIGNATURES.items():
            try:
                function = getattr(library, name)
            except AttributeError:
                raise ImportError(f"{path} has no function {name}: it is another version") from None
            function.restype = result
            function.argtypes = arguments
        return library
    raise ImportError(
        "libapus.so was not found; build it with `make`, or name it in the environment variable "
        "APUS_LIBRARY. Tried:\n  " + "\n  ".join(tried)
    )


lib = load()
