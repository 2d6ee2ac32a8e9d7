"""What `make bench` times: the networks are the published ones, and a wrong output is found."""

import math
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

BENCH = str(Path(__file__).resolve().parents[2] / "tools/bench")
sys.path.append(BENCH)

import cli  # noqa: E402
import page  # noqa: E402
import rounds  # noqa: E402
from harness import apus  # noqa: E402
from network import Network  # noqa: E402
from networks import CATALOGUE  # noqa: E402
from writers import ncnn_writer, onnx_writer  # noqa: E402

sys.path.remove(BENCH)  # its run.py is not the one that other tests import

# Millions of multiplications and thousands of trained weights: from the papers, torchvision, Keras
# (DS-CNN: MLPerf Tiny's 24,908 less 1,152 running statistics and 576 biases before normalisation).
PUBLISHED = {
    "ds-cnn": (2.66, 23.18),
    "mobilenet-v1": (569, 4_232),
    "mobilenet-v2": (300, 3_505),
    "squeezenet": (349, 1_235),
    "resnet-18": (1_814, 11_690),
    "resnet-50": (4_089, 25_557),
    "vgg-16": (15_347, 14_715),
    "googlenet": (1_498, 6_625),
    "densenet-121": (2_834, 7_979),
    "xception": (8_357, 22_856),
    "yolo-tiny": (2_782, 8_858),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(name: str) -> None:
    network = CATALOGUE[name]()
    trained = sum(
        array.size
        for layer in network.layers
        for part, array in layer.weights.items()
        if part not in ("mean", "variance")
    )
    multiplications, weights = PUBLISHED[name]
    assert network.multiplications / 1e6 == pytest.approx(multiplications, rel=0.01)
    assert trained / 1e3 == pytest.approx(weights, rel=0.01)


@pytest.mark.parametrize(
    "name", ["lenet", "ds-cnn", "conv1d", "char-rnn", "gru-128", "bilstm", "ntm"]
)
def test_apus_and_onnxruntime_agree(name: str, tmp_path: Path) -> None:
    network = CATALOGUE[name]()
    onnx_writer.write(network, tmp_path / "x.onnx")
    cli.run("import", "x.onnx", "-o", "x.apus", cwd=tmp_path)
    session = onnxruntime.InferenceSession(str(tmp_path / "x.onnx"))
    wanted = dict(zip(network.outputs, session.run(network.outputs, network.inputs)))
    with apus.Model(tmp_path / "x.apus").session() as ours:
        found = ours.run(network.inputs)
    for output, value in wanted.items():
        assert value.shape == network.shapes[output]
        assert value.std() > 0.001, "outputs that are all alike compare with anything"
    assert rounds.differ(found, wanted) < 1e-5


def test_weights_are_the_same_each_time(tmp_path: Path) -> None:
    files = []
    for i in range(2):
        onnx_writer.write(CATALOGUE["lenet"](), tmp_path / f"{i}.onnx")
        files.append((tmp_path / f"{i}.onnx").read_bytes())
    assert files[0] == files[1]


def test_tensorflow_padding() -> None:
    network = Network("padding")
    x = network.input("x", (1, 1, 224, 10))
    y = network.conv(x, 1, (3, 4), (2, 1), "same")
    assert network.shapes[y] == (1, 1, 112, 10)
    assert network.layers[-1].attributes["pads"] == [(0, 1), (1, 2)]


def test_ncnn_file_counts_its_blobs(tmp_path: Path) -> None:
    network = CATALOGUE["conv1d"]()  # has a tensor with two readers
    ncnn_writer.write(network, tmp_path / "x.param", tmp_path / "x.bin")
    magic, counts, *lines = (tmp_path / "x.param").read_text().splitlines()
    layers, blobs = map(int, counts.split())
    made = [name for line in lines for name in _names(line)[1]]
    read = [name for line in lines for name in _names(line)[0]]
    assert magic == "7767517" and layers == len(lines) and blobs == len(set(made)) == len(made)
    assert len(set(read)) == len(read), "in ncnn a blob has one reader"
    assert set(made) - set(read) == set(network.outputs)


def _names(line: str):
    _, _, inputs, outputs, *names = line.split()
    return names[: int(inputs)], names[int(inputs) : int(inputs) + int(outputs)]


@pytest.mark.parametrize("damage", ["one number", "not a number", "shape"])
def test_wrong_output_is_found(damage: str, tmp_path: Path) -> None:
    good = np.linspace(-1, 1, 100, dtype=np.float32)
    bad = good.copy()
    if damage == "one number":
        bad[50] += 0.002
    elif damage == "not a number":
        bad[50] = math.nan
    else:
        bad = bad.reshape(10, 10)
    for runtime, value in (("a", good), ("b", bad), ("c", good + np.float32(1e-6))):
        np.savez(tmp_path / f"outputs-{runtime}-1.npz", y=value)
    apart = rounds.check(tmp_path, ["a", "b", "c"], 1)
    assert [r for r, d in apart.items() if not d <= rounds.TOLERANCE] == ["b"]
    alone = rounds.check(tmp_path, ["a", "b"], 1)
    assert all(d == math.inf for d in alone.values()), "of two that differ neither is trusted"


def test_ratio_is_of_rounds_side_by_side() -> None:
    """A machine that halves its speed in the middle changes times, not ratios."""
    slow = [1, 1, 1, 2, 2, 2, 2]
    results = {
        "apus": rounds.Result(rounds=slow),
        "fast": rounds.Result(rounds=[3 * s for s in slow]),
        "slow": rounds.Result(rounds=[4 * s for s in slow]),
        "broken": rounds.Result(failure="wrong"),
    }
    assert rounds.best_peer(results) == "fast"
    assert rounds.ratio(results, "fast") == (3, 3, 3)


def test_page_is_written_from_saved_results(tmp_path: Path) -> None:
    y = np.linspace(-1, 1, 10, dtype=np.float32)
    for runtime, value in (("apus", y), ("onnxruntime", y + np.float32(5e-4))):
        np.savez(tmp_path / f"outputs-{runtime}-1.npz", y=value)
    apart = rounds.check(tmp_path, ["apus", "onnxruntime"], 1)
    no = rounds.Result(failure="not supported: said why")
    results = {r: no for r in page.TITLES}
    for runtime, seconds in (("apus", 0.001), ("onnxruntime", 0.002)):
        results[runtime] = rounds.Result(
            rounds=[seconds] * 3, version="1.2.3", difference=apart[runtime]
        )
    results["peak"] = rounds.Result(rounds=[0.001], operations=1e8)
    entry = {"name": "n", "title": "Net", "threads": 1, "operations": 5e7, "results": results}
    page.save([entry], tmp_path / "results.json")
    page.write(page.saved(tmp_path / "results.json"), tmp_path, 3, 0.1)
    text = (tmp_path / "performance.md").read_text()
    assert "| Net | 2.00 (2.00-2.00) | ONNX Runtime | 50 % |" in text
    assert "| Net | 1.00 | 2.00 | no | no | no | no |" in text
    assert "ncnn, Net: not supported: said why." in text
    assert "less exact, off by 5e-04" in text
    assert "Net</text>" in (tmp_path / "performance.svg").read_text()
