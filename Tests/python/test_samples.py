"""Every operator's samples (samples.py): none is missing, running is real-time safe, and the bits
are the same for every number of threads and every session, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
import samples
from compilers import C_COMPILERS, compile_program, run, run_real_time
from harness import ISAS, apus, assert_same_bits, node_model, operators
from locate import REPOSITORY

THREADS = range(1, 9)
BFLOAT16 = 16  # in the attribute `to` of Cast


# What runs other functions is no model of one node: test_control_flow.py has theirs.
OF_SEVERAL_FUNCTIONS = {"If", "Loop", "Scan"}


def test_every_operator_has_samples():
    missing = sorted(set(operators()) - set(samples.SAMPLES) - OF_SEVERAL_FUNCTIONS)
    assert not missing, f"add a line to SAMPLES in Tests/python/samples.py for {', '.join(missing)}"
    unknown = sorted(set(samples.SAMPLES) - set(operators()))
    assert not unknown, f"samples.py has operators that the registry lacks: {', '.join(unknown)}"


@pytest.mark.parametrize("op", samples.SAMPLES)
def test_samples_cover_the_operator(op):
    """Every attribute is set somewhere, and every number of inputs and outputs is there."""
    info = operators()[op]
    cases = [case for _, case in samples.cases(op)]
    unset = set(info.attributes) - {name for case in cases for name in case.attributes}
    assert not unset, f"no sample of {op} sets {', '.join(sorted(unset))}"
    most = max(len(case.inputs) for case in cases)
    assert most >= min(info.inputs[1], 2), f"no sample of {op} has more than {most} inputs"
    if info.inputs[1] < 9:
        assert most == info.inputs[1], f"no sample of {op} has all its {info.inputs[1]} inputs"
        assert min(len(case.inputs) for case in cases) == info.inputs[0]


def feeds(case: samples.Case) -> dict:
    return {
        f"x{i}": np.asarray(array)
        for i, array in enumerate(case.inputs)
        if array is not None and i not in case.constants
    }


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("op", samples.SAMPLES)
def test_bits(op, isa):
    """1 to 8 threads, two sessions of each, two runs of each."""
    for name, case in samples.cases(op, large=True):
        if case.attributes.get("to") == BFLOAT16:
            continue  # NumPy has no such type
        given = feeds(case)
        shapes = {f"x{i}": np.shape(case.inputs[i]) for i in case.shapes or {}}
        with node_model(op, *case[:4], isa=isa, shapes=case.shapes) as model:
            wanted = None
            for threads in (*THREADS, 1):
                with model.session(threads=threads, shapes=shapes) as session:
                    for _ in range(2):
                        found = session.run(given)
                        wanted = wanted or found
                        for key in wanted:
                            assert_same_bits(
                                found[key], wanted[key], f"{name} {key}, {threads} threads"
                            )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The samples as files."""
    folder = tmp_path_factory.mktemp("samples")
    for large in (False, True):
        (folder / str(large)).mkdir()
        for name, writer in samples.all_samples(large):
            (folder / str(large) / f"{name}.apus").write_bytes(writer.to_bytes())
    return folder


@pytest.mark.parametrize("large,runs", [(False, 100), (True, 2)])
def test_run_is_real_time(folder, tmp_path, large, runs):
    for model in sorted((folder / str(large)).iterdir()):
        run_real_time(model, runs, tmp_path)


def test_memory(folder, tmp_path):
    """The caller's arena holds every byte, and every failing allocation is an error that leaves
    nothing behind."""
    program = compile_program(
        C_COMPILERS[0], REPOSITORY / "Tests/c/memory.c", tmp_path / "memory", ["-std=gnu11"]
    )
    for model in sorted((folder / "False").iterdir()):
        assert "digest" in run([program, model, 3, 1]), model.stem


@pytest.mark.parametrize("isa", ISAS)
def test_denormals_are_flushed(isa):
    """The smallest numbers count as zeros inside a run, on each of its threads; in the caller's
    thread they are what they were."""
    tiny = np.full((64, 64, 64), 1e-39, np.float32)
    assert (tiny > 0).all()
    for threads in (1, 4):
        model = node_model("Add", [tiny, tiny], isa=isa)
        with model, model.session(threads=threads) as session:
            assert not session.run({"x0": tiny, "x1": tiny})["y0"].any()
        assert (tiny + tiny > 0).all() and (tiny * np.float32(0.5) > 0).all()
