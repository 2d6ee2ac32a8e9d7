"""What `make install` puts down: programs outside the checkout find it through pkg-config and
through CMake, wherever the folder is moved to."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import locate
import models
import pytest
from test_readme import example

# Tests/requirements.txt brings both along, for machines that do not have them.
TOOLS = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
PKG_CONFIG = shutil.which("pkg-config", path=TOOLS) or shutil.which("pkgconf", path=TOOLS)
CMAKE = shutil.which("cmake", path=TOOLS)
needs_pkg_config = pytest.mark.skipif(PKG_CONFIG is None, reason="NOT TESTED: there is no pkg-config")
needs_cmake = pytest.mark.skipif(CMAKE is None, reason="NOT TESTED: there is no cmake")


def call(*command, cwd=None, **environment):
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, cwd=cwd, timeout=300,
        env={**os.environ, "PATH": TOOLS, **environment},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install(destdir, prefix):
    return subprocess.run(
        ["sh", "tools/install.sh", str(destdir), str(prefix), locate.library(),
         locate.model_convert()],
        cwd=locate.REPOSITORY, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed") / "with space"
    done = install("", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def plain_prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "prefix"
    assert install("", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder of its own with the two programs of README.md and a model."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "example.c").write_text(example("c"))
    (folder / "example.cpp").write_text(example("cpp"))
    (folder / "net.apus").write_bytes(models.lenet().to_bytes())
    return folder


def test_what_is_there(plain_prefix):
    found = {str(p.relative_to(plain_prefix)) for p in plain_prefix.rglob("*") if not p.is_dir()}
    version = next(p for p in found if p.startswith("lib/libapus.so.0"))
    assert found == {
        "bin/model-convert", "include/apus.h", "include/apus.hpp", "lib/libapus.so",
        "lib/libapus.so.1", version, "lib/pkgconfig/apus.pc", "lib/cmake/apus/apus-config.cmake",
        "lib/cmake/apus/apus-config-version.cmake",
    }  # fmt: skip
    for name in found:
        mode = stat.S_IMODE((plain_prefix / name).stat().st_mode)
        assert mode == (0o755 if "bin/" in name or ".so" in name else 0o644), name
    assert call(plain_prefix / "bin/model-convert", "--version").strip() in version


def test_destdir_is_no_part_of_what_is_written_down(tmp_path):
    assert install(tmp_path / "stage", "/opt/apus").returncode == 0
    root = tmp_path / "stage/opt/apus"
    assert (root / "lib/pkgconfig/apus.pc").read_text().startswith("prefix=/opt/apus\n")
    for path in root.glob("lib/*/**/*"):
        if path.is_file():
            assert "stage" not in path.read_text()


def test_relative_prefix_is_refused():
    done = install("", "somewhere")
    assert done.returncode == 1 and "an absolute path is wanted" in done.stderr
    assert not (locate.REPOSITORY / "somewhere").exists()


@needs_pkg_config
@pytest.mark.parametrize("compiler, source", [("gcc", "example.c"), ("g++", "example.cpp")])
def test_pkg_config(compiler, source, plain_prefix, work):
    environment = {"PKG_CONFIG_PATH": str(plain_prefix / "lib/pkgconfig")}
    flags = call(PKG_CONFIG, "--cflags", "--libs", "apus", **environment).split()
    target = work / f"{compiler}.out"
    call(compiler, source, *flags, "-o", target, cwd=work)
    found = call(target, "net.apus", cwd=work, LD_LIBRARY_PATH=str(plain_prefix / "lib"))
    assert 0 < float(found) < 1
    assert call(PKG_CONFIG, "--modversion", "apus", **environment).strip().count(".") == 2


@needs_cmake
@pytest.mark.parametrize("name", ["Apus", "apus"])
def test_cmake(name, prefix, work, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.13)
project(outside C CXX)
set(CMAKE_CXX_STANDARD 17)
find_package({name} 0.1 REQUIRED)
add_executable(in_c "{work}/example.c")
add_executable(in_cpp "{work}/example.cpp")
target_link_libraries(in_c PRIVATE apus::apus)
target_link_libraries(in_cpp PRIVATE apus::apus)
""")
    call(CMAKE, "-S", ".", "-B", "out", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=tmp_path)
    call(CMAKE, "--build", "out", cwd=tmp_path)
    results = {float(call(tmp_path / "out" / p, work / "net.apus")) for p in ("in_c", "in_cpp")}
    assert len(results) == 1 and 0 < results.pop() < 1


@needs_cmake
def test_cmake_asked_for_a_newer_version(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(p C)\nfind_package(Apus 99 REQUIRED)\n"
    )
    done = subprocess.run(
        [CMAKE, "-S", ".", "-B", "out", f"-DCMAKE_PREFIX_PATH={prefix}"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0 and "99" in done.stderr
