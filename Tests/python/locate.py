"""Finds what the tests run: the newest libapus.so and model-convert of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import List, Optional

REPOSITORY = Path(__file__).resolve().parents[2]


class NotBuilt(Exception):
    """Something that the tests need is not there."""


def _newest(paths: List[Path]) -> Optional[Path]:
    found = [p for p in paths if p.is_file()]
    return max(found, key=lambda p: p.stat().st_mtime) if found else None


def library() -> Path:
    """libapus.so: $APUS_LIBRARY, or the newest of the build folders."""
    named = os.environ.get("APUS_LIBRARY")
    if named:
        return Path(named)
    path = _newest([
        REPOSITORY / "build/lib/libapus.so",
        REPOSITORY / ".build/embedded/release/libapus.so",
    ])  # fmt: skip
    if path is None:
        raise NotBuilt("libapus.so is not built: run `make` in the checkout's root first")
    return path


def unstripped_library() -> Optional[Path]:
    """The library with its local symbols, where it is there."""
    return _newest([
        REPOSITORY / "build/lib/unstripped/libapus.so",
        REPOSITORY / ".build/embedded/release/libapus.so",
    ])  # fmt: skip


def model_convert() -> Path:
    """The command line tool: $APUS_MODEL_CONVERT, or the newest of the build folders."""
    named = os.environ.get("APUS_MODEL_CONVERT")
    if named:
        return Path(named)
    path = _newest([
        REPOSITORY / "build/bin/model-convert",
        REPOSITORY / ".build/release/model-convert",
        REPOSITORY / ".build/release/ModelConvert",
    ])  # fmt: skip
    if path is None:
        raise NotBuilt("model-convert is not built: run `make` in the checkout's root first")
    return path


def prepare() -> None:
    """Makes `import apus` find this checkout's binding and library."""
    os.environ["APUS_LIBRARY"] = str(library())
    binding = str(REPOSITORY / "bindings" / "python")
    if binding not in sys.path:
        sys.path.insert(0, binding)


def build() -> None:
    """Builds what is missing, with SwiftPM's own incremental builds."""
    swift = ["swift", "build", "-c", "release"]
    subprocess.run(
        [*swift, "--product", "apus", "--traits", "Embedded", "--scratch-path", ".build/embedded"],
        cwd=REPOSITORY, check=True,
    )  # fmt: skip
    subprocess.run([*swift, "--product", "model-convert"], cwd=REPOSITORY, check=True)
