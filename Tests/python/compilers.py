"""Compiles and runs the C and C++ programs of the tests against the library."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Sequence

import locate

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wshadow", "-Wconversion"]
C_COMPILERS = [c for c in ("gcc", "clang") if shutil.which(c)]
CXX_COMPILERS = [c for c in ("g++", "clang++") if shutil.which(c)]
INCLUDES = ["-I", str(locate.REPOSITORY / "include"), "-I", str(locate.REPOSITORY / "bindings/cpp")]


def compile_program(
    compiler: str, source: Path, target: Path, flags: Sequence[str] = (), link: bool = True
) -> Path:
    """Compiles one file with all warnings as errors; `link` with libapus under its soname."""
    command = [compiler, *WARNINGS, *INCLUDES, "-g", "-O1", *flags, str(source), "-o", str(target)]
    if link:
        folder = target.parent
        for name in ("libapus.so", "libapus.so.1"):
            if not (folder / name).exists():
                os.symlink(locate.library().resolve(), folder / name)
        command += ["-L", str(folder), "-lapus", f"-Wl,-rpath,{folder}", "-lpthread", "-ldl", "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return target


def run_real_time(model: Path, runs: int, folder: Path) -> None:
    """Runs a model many times where no allocation, no mapping and no lock (interposed) and no system
    call (seccomp) is allowed. What is compiled for that stays in `folder`."""
    c = locate.REPOSITORY / "Tests/c"
    library, program = folder / "interpose.so", folder / "realtime"
    if not program.exists():
        compile_program(
            C_COMPILERS[0], c / "interpose.c", library,
            ["-std=gnu11", "-shared", "-fPIC", "-Wno-pedantic", "-fno-builtin"], link=False,
        )  # fmt: skip
        compile_program(C_COMPILERS[0], c / "realtime.c", program, ["-std=gnu11"])
    output = run([program, model, runs], LD_PRELOAD=str(library))
    assert output.endswith("fine\n"), f"{model.stem}: {output}"


def run(command: Sequence[object], **environment: str) -> str:
    """Runs a program that must succeed; returns what it printed."""
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=120,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
