"""Training for int8: recipes with a section `quantization` write an int8 model that computes what
the last epochs computed, and keeps the accuracy that calibration afterwards loses."""

import re

import apus_reader
import cli
import locate
import numpy as np
import pytest
from harness import operators
from quantized import (
    DEPTHWISE, LENET, import_fixture, export, quantize, run_apus, run_onnx, train, write_digits,
)  # fmt: skip

SECTION = "quantization: {epochs: 4, frozen_epochs: 2}\n"

@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The digits, and a LeNet-5 that was trained for int8 on them, with what the tool said."""
    folder = tmp_path_factory.mktemp("train_int8")
    write_digits(folder)
    (folder / "lenet.yaml").write_text(LENET + SECTION)
    result = cli.run("train", "lenet.yaml", "-o", "lenet.apus", cwd=folder, isa="")
    assert result.code == 0, result.stderr
    (folder / "said.txt").write_text(result.stdout)
    return folder


def losses(path, data):
    (p,) = run_apus(path, {"image": data["x"]})
    return -np.log(p[np.arange(len(p)), data["y"]]).mean(), np.mean(p.argmax(1) == data["y"])


def test_what_is_said_is_what_the_int8_model_computes(folder):
    """The loss and the accuracy on the test part are of the rounded network in training; those of
    the file are libapus's."""
    said = (folder / "said.txt").read_text()
    loss, accuracy = map(float, re.search(r"loss ([\d.]+), accuracy ([\d.]+) %", said).groups())
    data = np.load(folder / "test.npz")
    found, share = losses(folder / "lenet.int8.apus", data)
    assert abs(found - loss) < 0.01 * loss, (found, loss)
    assert abs(100 * share - accuracy) < 0.01 and share > 0.97
    # The float model is near, and not the same.
    assert 1e-5 < abs(losses(folder / "lenet.apus", data)[0] - loss) < 0.5 * loss
    assert re.search(r"lenet\.int8\.apus: 5 of 6 layers in integers", said)


def test_it_is_no_worse_than_calibration(folder):
    train(folder, LENET, "plain")
    quantize(folder, "plain.apus", "--calibrate", "train.npz", output="plain.int8.apus")
    data = np.load(folder / "test.npz")
    assert (
        losses(folder / "lenet.int8.apus", data)[1]
        >= losses(folder / "plain.int8.apus", data)[1] - 0.003
    )


def weights_of(path, op):
    """By layer the constants of the file, as the independent reader reads them."""
    model = apus_reader.read(path.read_bytes())
    opcode = operators()[op].opcode
    return {
        node.debug_name: [None if i is None else model.tensors[i].array for i in node.inputs]
        for node in model.functions["main"].nodes
        if node.opcode == opcode
    }


def test_integers_are_those_of_the_float_weights(folder):
    """w = scale · q with scale = max |w| / 127 of each output channel, and biases in steps of the
    sums, by NumPy."""
    real = weights_of(folder / "lenet.apus", "Conv")
    int8 = weights_of(folder / "lenet.int8.apus", "QLinearConv")
    assert set(real) == {"C1", "C3", "C5"} and set(real) < set(int8)
    for name, (_, w, b) in real.items():
        inputs = int8[name]
        scale = np.abs(w).reshape(len(w), -1).max(1) / np.float32(127)
        np.testing.assert_allclose(inputs[4], scale, rtol=1e-6)
        by_channel = scale.reshape(-1, 1, 1, 1)
        np.testing.assert_array_equal(inputs[3], np.rint(w / by_channel).astype(np.int8))
        np.testing.assert_array_equal(inputs[8], np.rint(b.astype(float) / (inputs[1] * scale)))
        # Ranges begin at 0 behind a ReLU.
        assert inputs[7] == 0


def test_onnx_runtime_agrees(folder):
    model = export(folder, "lenet.int8.apus")
    x = np.load(folder / "test.npz")["x"][:100]
    (wanted,) = run_onnx(model, {"image": x})
    (found,) = run_apus(folder / "lenet.int8.apus", {"image": x})
    assert np.mean(np.abs(found - wanted).max(1) < 1e-3) >= 0.9
    np.testing.assert_allclose(found, wanted, atol=0.1)


def test_it_wins_back_what_one_scale_for_each_weight_loses(tmp_path):
    """A depthwise network whose channels differ 100 times: rounded afterwards, it loses two points;
    trained for it, none."""
    write_digits(tmp_path, 16)
    import_fixture(tmp_path, "depthwise")
    coarse = ["--weights", "per-tensor", "--no-equalization", "--no-bias-correction"]
    quantize(tmp_path, "depthwise.apus", "--calibrate", "train.npz", *coarse)
    section = "quantization: {epochs: 6, frozen_epochs: 2, weights: per-tensor, momentum: 0.9}\n"
    (tmp_path / "fine.yaml").write_text(DEPTHWISE + section)
    result = cli.run(
        "train", "fine.yaml", "-o", "fine.apus", "--int8", "i.apus", cwd=tmp_path, isa=""
    )
    assert result.code == 0, result.stderr
    data = np.load(tmp_path / "test.npz")

    def accuracy(name):
        return np.mean(run_apus(tmp_path / name, {"image": data["x"]})[0].argmax(1) == data["y"])

    real, rounded, trained = map(accuracy, ["depthwise.apus", "q.apus", "i.apus"])
    assert rounded < real - 0.012 and trained >= real - 0.003, (real, rounded, trained)
    words = re.search(r"loss ([\d.]+), accuracy ([\d.]+) %", result.stdout)
    loss, said = map(float, words.groups())
    found = run_apus(tmp_path / "i.apus", {"image": data["x"]})[0]
    mean = -np.log(found[np.arange(len(found)), data["y"]]).mean()
    assert abs(mean - loss) < 0.01 * loss and abs(100 * trained - said) < 0.01


def test_the_same_again_and_resumed_is_the_same_file(folder):
    """Another run, and one that goes on from its end, write the same bytes."""
    (folder / "short.yaml").write_text(
        LENET.replace("epochs: 12", "epochs: 4") + "quantization: {epochs: 3, frozen_epochs: 1}\n"
    )

    def run(output, *options):
        result = cli.run(
            "train", "short.yaml", "-o", output, "--threads", "2", *options, cwd=folder, isa=""
        )
        assert result.code == 0, result.stderr
        names = output, output.replace(".apus", ".int8.apus")
        return [(folder / name).read_bytes() for name in names]

    whole = run("whole.apus", "--checkpoint", "whole.ckpt")
    assert run("again.apus") == whole
    # With --epochs 3 all three train for int8: other epochs, so another network.
    assert run("other.apus", "--epochs", "3", "--checkpoint", "other.ckpt") != whole
    assert run("end.apus", "--resume", "whole.ckpt") == whole
    assert len(np.load(folder / "whole.ckpt")["float_weights"]) == 61706


def test_the_recipe(tmp_path):
    recipe = locate.REPOSITORY / "recipes/lenet5-int8.yaml"
    result = cli.run(
        "train", str(recipe), "--epochs", "4", "-o", "net.apus", cwd=tmp_path, isa=""
    )
    assert result.code == 0, result.stderr
    accuracy = float(re.search(r"accuracy ([\d.]+) %", result.stdout).group(1))
    assert accuracy > 85 and "epoch 4 of 4" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.apus", "net.int8.apus"]


def test_what_is_wrong_is_said(folder):
    def message(text, *options):
        (folder / "wrong.yaml").write_text(text)
        result = cli.run("train", "wrong.yaml", "-o", "none.apus", *options, cwd=folder)
        assert result.code == 1 and not (folder / "none.apus").exists()
        return result.stderr.strip()

    line = LENET.count("\n") + 1
    place = f"model-convert: wrong.yaml:{line}: "
    for section, wanted in [
        ("{epochs: 4, weigths: per-tensor}",
         "unknown key 'weigths' in 'quantization'; did you mean 'weights'?"),
        ("{epochs: 13}", "quantization.epochs: 13 of the last epochs, and there are 12"),
        ("{frozen_epochs: 1}", "'quantization' lacks the key 'epochs'"),
        ("{epochs: 4, frozen_epochs: 4}",
         "quantization.frozen_epochs: 4 of 4 epochs leave none to find ranges in"),
        ("{epochs: 4, activations: int4}", "quantization.activations: there is no 'int4'; "
         "did you mean 'int8'?"),
        ("{epochs: 4, observer: average}",
         "quantization.observer: there is no 'average'; it must be 'moving-average' or 'minmax'"),
        ("{epochs: 4, observer: minmax, momentum: 0.9}",
         "quantization.momentum: it is for 'moving-average'"),
        ("{epochs: 4, momentum: 1}",
         "quantization.momentum must be from 0 to less than 1, and is '1'"),
        ("yes", "'quantization' must have keys of its own, and is 'yes'"),
    ]:  # fmt: skip
        assert message(LENET + f"quantization: {section}\n") == place + wanted
    assert "no section 'quantization'" in message(LENET, "--int8", "i.apus")
    net = LENET.replace("{name: lenet5, activation: relu, subsampling: max, connections: full, "
                        "dropout: 0.3}", "{name: file, path: missing.apus}")  # fmt: skip
    assert net != LENET and "missing.apus" in message(net)
    assert "lenet.int8.apus: weight " in message(net.replace("missing", "lenet.int8"))
