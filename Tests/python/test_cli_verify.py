"""`model-convert verify` and `bench`: the numbers that they give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cli
from harness import BEST_ISA


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    return cli.make_files(tmp_path)


def verify(folder: Path, *arguments: str) -> "tuple[dict, cli.Result]":
    result = cli.run("verify", *arguments, "--json", cwd=folder)
    return json.loads(result.stdout), result


def test_equal_models(folder: Path) -> None:
    found, result = verify(folder, "constant.apus", "--against", "constant.apus")
    assert result.code == 0 and result.stderr == ""
    assert found["passed"] and [t["max_abs"] for t in found["tensors"]] == [0, 0, 0]
    assert [t["layer"] for t in found["tensors"]] == [0, 1, 2]


def test_difference_is_measured(folder: Path) -> None:
    x = np.array([1, -2, 0.5, 3], np.float32)
    np.save(folder / "v.npy", x)
    found, result = verify(
        folder, "changed.apus", "--against", "constant.apus", "--input", "x=v.npy"
    )
    assert result.code == 1 and not found["passed"] and found["first_failure"] == 1
    joined = [np.concatenate([np.maximum(x, 0), w]).astype(np.float64) for w in (cli.W_CHANGED, cli.W)]
    for row, (a, r) in zip(found["tensors"][1:], [joined, np.maximum(joined, 0)]):
        error = np.abs(a - r)
        rms = np.sqrt(np.mean(r**2))
        assert row["max_abs"] == error.max() == 0.5
        assert row["max_relative"] == pytest.approx((error / np.maximum(abs(r), rms)).max())
        assert row["sqnr_db"] == pytest.approx(10 * np.log10((r**2).sum() / (error**2).sum()))
        assert not row["within_tolerance"]
    assert "layer 1 (Concat joined) differs by" in result.stderr


def test_steps_carry_the_states(folder: Path) -> None:
    """The two queues differ in what comes out third."""
    (folder / "other.apus").write_bytes(cli.state_model(newest=9.5).to_bytes())
    for steps, error in [(1, 0), (2, 0), (3, 0.5), (5, 0.5)]:
        found, _ = verify(
            folder, "other.apus", "--against", "queue.apus", "--steps", str(steps),
            "--tolerance", "1",
        )  # fmt: skip
        y = found["tensors"][-1]
        assert found["steps"] == steps and y["name"] == "y" and y["max_abs"] == error
    rms = np.sqrt(np.mean(np.array([7, 8, 9]) ** 2))  # of all three steps
    found, _ = verify(
        folder, "other.apus", "--against", "queue.apus", "--steps", "3", "--tolerance", "1"
    )
    assert found["tensors"][-1]["max_relative"] == pytest.approx(0.5 / max(9, rms))


def test_tolerance(folder: Path) -> None:
    _, result = verify(
        folder, "changed.apus", "--against", "constant.apus", "--tolerance", "0.5"
    )
    assert result.code == 0


def test_layers_match_by_order_where_names_differ(folder: Path) -> None:
    (folder / "renamed.apus").write_bytes(cli.constant_model(cli.W, "other name").to_bytes())
    found, result = verify(folder, "renamed.apus", "--against", "constant.apus")
    assert result.code == 0 and len(found["tensors"]) == 3 and found["unmatched"] == []


def test_a_value_is_seen_before_its_memory_is_used_again(folder: Path) -> None:
    """A chain whose tensors share memory: each must be compared as it was after its own layer."""

    def chain(constant: float) -> cli.Writer:
        writer = cli.Writer()
        f = writer.function("main")
        t = f.input("x", "float32", (2, 3))
        for i in range(6):
            t = cli.add_node(f, "Relu", [t])[0] if i % 2 else cli.add_node(
                f, "Concat", [t, writer.weight(np.full((2, 1), constant, np.float32))], {"axis": 1}
            )[0]  # fmt: skip
        f.output(t, "y", "float32", (2, 6))
        return writer

    (folder / "a.apus").write_bytes(chain(-1).to_bytes())
    (folder / "b.apus").write_bytes(chain(-2).to_bytes())
    found, _ = verify(folder, "a.apus", "--against", "b.apus")
    # Concat shows the constants' difference, Relu removes it.
    assert [t["max_abs"] for t in found["tensors"]] == [1, 0, 1, 0, 1, 0]


def test_no_number_against_a_number(folder: Path) -> None:
    (folder / "nan.apus").write_bytes(cli.constant_model(np.array([1, np.nan, 3, 4, 5])).to_bytes())
    found, result = verify(folder, "nan.apus", "--against", "constant.apus")
    assert result.code == 1 and "max_abs" not in found["tensors"][1]  # infinite
    _, result = verify(folder, "nan.apus", "--against", "nan.apus")
    assert result.code == 0


@pytest.mark.skipif(BEST_ISA == "baseline", reason="there is one instruction set only")
def test_against_isa(folder: Path) -> None:
    found, result = verify(folder, "two.apus", "--isa", BEST_ISA, "--against-isa", "baseline")
    assert result.code == 0
    assert (found["isa"], found["against_isa"]) == (BEST_ISA, "baseline")


def test_state_starts_alike(folder: Path) -> None:
    found, result = verify(folder, "queue.apus", "--against", "queue.apus")
    assert result.code == 0 and len(found["tensors"]) == 3


# ---- bench


def bench(folder: Path, *arguments: str) -> dict:
    result = cli.run("bench", *arguments, "--seconds", "0.05", "--json", cwd=folder)
    assert result.code == 0 and result.stderr == "", result.stderr
    return json.loads(result.stdout)


def test_bench_numbers(folder: Path) -> None:
    found = bench(folder, "small.apus", "--input-shape", "x=1000,4")
    assert 0 < found["min_ms"] <= found["median_ms"] <= found["p99_ms"] < 1000
    assert found["min_ms"] <= found["mean_ms"]
    assert found["runs"] >= 3 and found["threads"] == 1 and found["isa"] == "baseline"
    assert found["arena_bytes"] >= found["arena_lower_bound"] == 1000 * 16 * 4
    assert found["inputs"] == {"x": [1000, 4]}
    assert "gflops" not in found  # nothing in it multiplies


def test_bench_profile(folder: Path) -> None:
    found = bench(folder, "small.apus", "--input-shape", "20000,4", "--profile")
    assert [l["operator"] for l in found["layers"]] == ["Relu", "Concat"]
    assert sum(l["share"] for l in found["layers"]) == pytest.approx(1)
    slower = bench(
        folder, "small.apus", "--input-shape", "20000,4", "--profile", "--order", "time"
    )["layers"]
    assert [l["median_ms"] for l in slower] == sorted((l["median_ms"] for l in slower), reverse=True)


def test_bench_indices_stay_in_their_table(folder: Path) -> None:
    assert bench(folder, "two.apus", "--input-shape", "a=100,3")["inputs"]["i"] == [100]


def test_bench_function(folder: Path) -> None:
    assert bench(folder, "two.apus", "--function", "other", "--threads", "2")["threads"] == 2
