"""Copies libapus.so into the package that is built. All else stands in pyproject.toml."""

import os
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


def library() -> Path:
    """The library to bring along: $APUS_LIBRARY, or that of the checkout's build folder."""
    named = os.environ.get("APUS_LIBRARY")
    path = Path(named) if named else HERE.parent.parent / "build" / "lib" / "libapus.so"
    if not path.is_file():
        raise SystemExit(
            f"{path}: no such file. Build the library first (`make` in the checkout's root), or "
            "name one in the environment variable APUS_LIBRARY."
        )
    return path


class BuildWithLibrary(build_py):
    def run(self):
        super().run()
        target = Path(self.build_lib) / "apus" / "libapus.so"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(library(), target)


class WheelForAnyPython(bdist_wheel):
    """The library is reached through ctypes: one wheel for every Python 3 on this platform."""

    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self):
        return True


setup(
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": WheelForAnyPython},
    distclass=BinaryDistribution,
)
