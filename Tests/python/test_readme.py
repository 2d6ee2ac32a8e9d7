"""The examples in README.md are compiled and run as they stand there, and agree."""

import os
import re
import shutil
import subprocess
import sys

import locate
import models
import pytest
from compilers import C_COMPILERS, CXX_COMPILERS, compile_program, run

README = (locate.REPOSITORY / "README.md").read_text()


def example(language):
    blocks = re.findall(rf"<!-- example: {language} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1, f"README.md has {len(blocks)} examples in {language}"
    return blocks[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "lenet5.apus"
    path.write_bytes(models.lenet().to_bytes())
    return path


@pytest.fixture(scope="module")
def from_python(folder, model):
    program = folder / "example.py"
    program.write_text(example("python"))
    done = subprocess.run(
        [sys.executable, str(program), str(model)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(locate.REPOSITORY / "bindings" / "python")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout) < 1  # a probability
    return done.stdout


@pytest.mark.parametrize("compiler", C_COMPILERS)
def test_c(compiler, folder, model, from_python):
    source = folder / "example.c"
    source.write_text(example("c"))
    program = compile_program(compiler, source, folder / f"c-{compiler}", ["-std=c99"])
    assert run([program, model]) == from_python
    broken = folder / "broken.apus"
    broken.write_bytes(b"no model")
    done = subprocess.run([str(program), str(broken)], capture_output=True, text=True)
    assert done.returncode == 1 and "not an .apus model" in done.stderr


@pytest.mark.parametrize("compiler", CXX_COMPILERS)
def test_cpp(compiler, folder, model, from_python):
    source = folder / "example.cpp"
    source.write_text(example("cpp"))
    program = compile_program(compiler, source, folder / f"cpp-{compiler}", ["-std=c++17"])
    assert run([program, model]) == from_python


def test_commands(tmp_path):
    """Line by line in a folder that looks like the checkout; one epoch is enough here."""
    for name in ("recipes", "data"):
        os.symlink(locate.REPOSITORY / name, tmp_path / name)
    for target, link in [
        (locate.model_convert(), "build/bin/model-convert"), (sys.executable, "build/venv/bin/python"),
    ]:  # fmt: skip
        (tmp_path / link).parent.mkdir(parents=True)
        (tmp_path / link).write_text(f'#!/bin/sh\nexec "{target}" "$@"\n')
        (tmp_path / link).chmod(0o755)
    commands = example("sh").replace("recipes/lenet5.yaml -o", "recipes/lenet5.yaml --epochs 1 -o")
    assert "--epochs 1" in commands
    commands = commands.replace("--profile", "--profile --seconds 0.1")
    done = subprocess.run(
        [shutil.which("sh"), "-e", "-c", commands], cwd=tmp_path, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for made in ("lenet5.html", "lenet5-network.html", "results/probabilities.npy"):
        assert (tmp_path / made).stat().st_size > 0
