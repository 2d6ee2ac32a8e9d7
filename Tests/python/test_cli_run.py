"""`model-convert run`: the arrays that it writes, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cli


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return cli.make_files(tmp_path)


def run_json(folder: Path, *arguments: str) -> dict:
    result = cli.run("run", *arguments, "--json", cwd=folder)
    assert result.code == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_writes_outputs(folder: Path) -> None:
    found = run_json(folder, "small.apus", "--input", "x.npy", "--output-dir", "a/b")
    x = np.load(folder / "x.npy")
    wanted = np.concatenate([np.maximum(x, 0), x], 1)
    (output,) = found["outputs"]
    assert output["file"] == "a/b/y_out.npy" and output["name"] == "y/out"
    y = np.load(folder / output["file"])
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, wanted)
    assert output["shape"] == [3, 8] and output["dtype"] == "float32"
    assert output["min"] == wanted.min() and output["max"] == wanted.max()
    assert output["mean"] == pytest.approx(wanted.mean(dtype=np.float64), rel=1e-12)
    assert output["non_finite"] == 0


def test_top_five(folder: Path) -> None:
    (output,) = run_json(folder, "small.apus", "--input", "x.npy")["outputs"]
    y = np.load(folder / "y_out.npy")
    assert [p["row"] for p in output["predictions"]] == [0, 1, 2]
    for p in output["predictions"]:
        order = np.argsort(-y[p["row"]], kind="stable")[:5]
        assert [c["index"] for c in p["top"]] == order.tolist()
        assert [c["label"] for c in p["top"]] == [cli.LABELS[i] for i in order]
        assert [c["value"] for c in p["top"]] == y[p["row"]][order].tolist()


def test_npz_gives_every_input_its_array(folder: Path) -> None:
    run_json(folder, "two.apus", "--input", "two.npz")
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    wanted = np.concatenate([np.ones((2, 3), np.float32), table[[3, 0]]], 1)
    np.testing.assert_array_equal(np.load(folder / "y.npy"), wanted)


def test_npz_and_npy_together(folder: Path) -> None:
    np.save(folder / "i.npy", np.array([1, 1]))
    run_json(folder, "two.apus", "--input", "a=two.npz", "--input", "i=i.npy")
    np.testing.assert_array_equal(np.load(folder / "y.npy")[:, 3:], [[3, 4, 5], [3, 4, 5]])


def test_big_endian_and_fortran_order(folder: Path) -> None:
    x = np.load(folder / "x.npy")
    np.save(folder / "odd.npy", np.asfortranarray(x.astype(">f4")))
    run_json(folder, "small.apus", "--input", "odd.npy")
    np.testing.assert_array_equal(np.load(folder / "y_out.npy")[:, 4:], x)


def test_function(folder: Path) -> None:
    np.save(folder / "b.npy", np.array([-1, 2], np.float32))
    found = run_json(folder, "two.apus", "--function", "other", "--input", "b=b.npy")
    assert found["function"] == "other"
    np.testing.assert_array_equal(np.load(folder / "z.npy"), [0, 2])


def test_steps_carry_the_state(folder: Path) -> None:
    found = run_json(folder, "queue.apus", "--input", "steps.npy", "--steps", "5")
    assert found["steps"] == 5 and found["outputs"][0]["shape"] == [5, 1, 1]
    np.testing.assert_array_equal(np.load(folder / "y.npy").ravel(), [7, 8, 9, 0, 1])


def test_steps_with_the_same_input(folder: Path) -> None:
    run_json(folder, "queue.apus", "--input", "one.npy", "--steps", "5")
    np.testing.assert_array_equal(np.load(folder / "y.npy").ravel(), [7, 8, 9, 1, 1])


def test_without_steps_the_state_starts_anew(folder: Path) -> None:
    for _ in range(2):
        run_json(folder, "queue.apus", "--input", "one.npy")
        np.testing.assert_array_equal(np.load(folder / "y.npy"), [[7]])


def test_non_finite_elements_are_counted(folder: Path) -> None:
    np.save(folder / "b.npy", np.array([np.inf, 3], np.float32))
    (output,) = run_json(folder, "two.apus", "--function", "other", "--input", "b.npy")["outputs"]
    assert output["non_finite"] == 1 and output["min"] == output["max"] == 3


def test_file_names_are_safe(folder: Path) -> None:
    writer = cli.Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (1,))
    names = ["../up", ".hidden", "a b", "a/b", "ü"]
    for name in names:
        (y,) = cli.add_node(f, "Relu", [x])
        f.output(y, name, "float32", (1,))
    (folder / "names.apus").write_bytes(writer.to_bytes())
    np.save(folder / "v.npy", np.ones(1, np.float32))
    found = run_json(folder, "names.apus", "--input", "v.npy", "--output-dir", "out")
    files = [o["file"] for o in found["outputs"]]
    assert files == [f"out/{n}.npy" for n in ["_./up".replace("/", "_"), "_hidden", "a_b", "a_b-2", "_"]]
    assert sorted(p.name for p in (folder / "out").iterdir()) == sorted(f[4:] for f in files)


def test_an_input_is_never_overwritten(folder: Path) -> None:
    np.save(folder / "y_out.npy", np.load(folder / "x.npy"))
    before = (folder / "y_out.npy").read_bytes()
    result = cli.run("run", "small.apus", "--input", "y_out.npy", cwd=folder)
    assert result.code == 1 and "would overwrite an input" in result.stderr
    assert (folder / "y_out.npy").read_bytes() == before


def test_threads_give_the_same_bits(folder: Path) -> None:
    rng = np.random.default_rng(1)
    np.save(folder / "big.npy", rng.standard_normal((50_000, 4)).astype(np.float32))
    outputs = []
    for threads in "1", "3":
        run_json(folder, "small.apus", "--input", "big.npy", "--threads", threads)
        outputs.append((folder / "y_out.npy").read_bytes())
    assert outputs[0] == outputs[1]
