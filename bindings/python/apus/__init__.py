"""Run convolutional and recurrent networks with Apus.

    import apus

    model = apus.Model("net.apus")
    session = model.session(threads=2)
    outputs = session.run({"x": array})     # name -> ndarray
    session.reset()                         # states start over

`Model` is the file, `Session` is one arena that runs one of its functions. States stay in the
session from run to run.
"""

from __future__ import annotations

import ctypes
from ctypes import sizeof
from typing import List, NamedTuple, Tuple

from ._errors import ApusError, Status
from ._library import CBuildInfo, lib
from ._model import Model
from ._session import MemoryInfo, Session
from ._tensors import TensorInfo

__version__ = "0.1.0"

__all__ = [
    "ApusError",
    "BuildInfo",
    "MemoryInfo",
    "Model",
    "Session",
    "Status",
    "TensorInfo",
    "build_info",
    "version",
]


class BuildInfo(NamedTuple):
    """What the library is and what it reads."""

    version: str
    format_versions: Tuple[int, int]
    """Oldest and newest major version of the .apus format that it opens."""
    compiler: str
    instruction_sets: List[str]
    """The kernel modules inside, from the one that runs everywhere to the fastest."""
    best_instruction_set: str
    """The best of them that this processor runs."""
    operator_count: int


def version() -> str:
    """The library's version: "0.1.0"."""
    text: bytes = lib.apus_version()
    return text.decode("ascii")


def build_info() -> BuildInfo:
    """How the library was built."""
    info = CBuildInfo(struct_size=sizeof(CBuildInfo))
    lib.apus_get_build_info(ctypes.byref(info))
    return BuildInfo(
        info.version.decode("ascii"),
        (info.format_version_min, info.format_version_max),
        info.compiler.decode("ascii"),
        info.instruction_sets.decode("ascii").split(),
        info.best_instruction_set.decode("ascii"),
        info.operator_count,
    )
