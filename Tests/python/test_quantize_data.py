"""Where calibration data come from: arrays of every form, tables, folders of images, recipes. The same
samples give the same file, whatever they were read from."""

import struct
import zlib

import cli
import locate
import numpy as np
import pytest
from quantized import digits, import_fixture, quantize, refuse


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """64 digits of 16 x 16 as an array, and what the network makes of that."""
    folder = tmp_path_factory.mktemp("data")
    import_fixture(folder, "depthwise")
    x, y = digits()
    images = np.kron(x[:64] * 16, np.ones((1, 2, 2), np.float32))
    np.savez(folder / "x.npz", image=images[:, None] / np.float32(16), y=y[:64])
    np.save(folder / "raw.npy", images)
    quantize(folder, "depthwise.apus", "--calibrate", "x.npz", output="wanted.apus")
    return folder


def made(folder, *options):
    quantize(folder, "depthwise.apus", *options, output="made.apus")
    return (folder / "made.apus").read_bytes()


def wanted(folder):
    return (folder / "wanted.apus").read_bytes()


def test_arrays(folder):
    x = np.load(folder / "x.npz")["image"]
    np.save(folder / "x.npy", x)
    np.save(folder / "runs.npy", x[:, None])
    np.savez(folder / "named.npz", other=x, y=np.zeros(64, int))
    for data in ["x.npy", "image=x.npy", "runs.npy", "named.npz", "image=named.npz"]:
        assert made(folder, "--calibrate", data) == wanted(folder), data


def test_batches_of_the_model(folder):
    """A model whose batch is 8 is run eight samples at a time; what does not fill a batch is refused."""
    source = str(locate.REPOSITORY / "Tests/python/fixtures/quantize/depthwise.onnx")
    shape = "image=8,1,16,16"
    done = cli.run("import", source, "-o", "eight.apus", "--input-shape", shape, cwd=folder)
    assert done.code == 0, done.stderr
    report = quantize(folder, "eight.apus", "--calibrate", "x.npz", "--test", "x.npz")
    assert report["samples"] == 8 and report["accuracy"]["rows"] == 64
    np.save(folder / "odd.npy", np.load(folder / "x.npz")["image"][:63])
    assert "[63, 1, 16, 16]" in refuse(folder, "eight.apus", "--calibrate", "odd.npy")


def test_table(folder):
    raw = np.load(folder / "raw.npy").reshape(64, -1)
    labels = np.load(folder / "x.npz")["y"]
    rows = [",".join([str(y), *(f"{v:g}" for v in row)]) for y, row in zip(labels, raw)]
    header = ",".join(["class", *(f"p{i}" for i in range(256))])
    (folder / "x.csv").write_text("\n".join([header, *rows]) + "\n")
    options = ["--calibrate", "x.csv", "--label", "class", "--scale", "0.0625"]
    assert made(folder, *options) == wanted(folder)
    report = quantize(folder, "depthwise.apus", *options, "--test", "x.csv")
    assert report["accuracy"]["rows"] == 64 and report["accuracy"]["float_accuracy"] > 0.95
    # Without the label's column there is one number too many.
    assert "257" in refuse(folder, "depthwise.apus", "--calibrate", "x.csv")


def png(pixels):
    """A grey image as the PNG specification has it, without filters."""
    height, width = pixels.shape

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    lines = b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def test_images(folder):
    raw, labels = np.load(folder / "raw.npy"), np.load(folder / "x.npz")["y"]
    for i, (image, label) in enumerate(zip(raw, labels)):
        place = folder / "photos" / str(label)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i:03}.png").write_bytes(png(image))
    options = ["--calibrate", "photos", "--scale", "0.0625"]
    # They come class by class, and sums depend on the order in their last bits.
    order = np.argsort(labels, kind="stable")
    np.save(folder / "sorted.npy", np.load(folder / "x.npz")["image"][order])
    assert made(folder, *options) == made(folder, "--calibrate", "sorted.npy")
    report = quantize(folder, "depthwise.apus", *options, "--test", "photos")
    assert report["accuracy"]["rows"] == 64 and report["accuracy"]["float_accuracy"] > 0.95
    half = ["--scale", "0.125", "--mean", "0", "--deviation", "2"]
    assert made(folder, "--calibrate", "photos", *half) == made(folder, *options)


def test_recipe(folder):
    (folder / "digits.yaml").write_text(
        """
name: digits
model: {name: lenet5}
data:
  reader: npz
  path: x.npz
  split: {test: 0.25, seed: 1}
  transforms: [random_shift: 2]
loss: cross-entropy
optimizer: {name: sgd, learning_rate: 0.1}
batch_size: 8
epochs: 1
""".replace("path: x.npz", "path: x.npz\n  inputs: image")
    )
    options = ["--calibrate", "digits.yaml", "--max-drop", "10%"]
    report = quantize(folder, "depthwise.apus", *options)
    assert report["samples"] == 48 and report["accuracy"]["rows"] == 16


def test_data_that_cannot_be_read(folder):
    assert "recipe says" in refuse(
        folder, "depthwise.apus", "--calibrate", "digits.yaml", "--scale", "2"
    )
    assert "as they are" in refuse(folder, "depthwise.apus", "--calibrate", "x.npz", "--scale", "2")
    (folder / "empty").mkdir()
    assert "empty" in refuse(folder, "depthwise.apus", "--calibrate", "empty")
    assert "nothere" in refuse(folder, "depthwise.apus", "--calibrate", "nothere.csv")
    np.savez(folder / "nothing.npz")
    assert "nothing.npz: there is no array in it" in refuse(
        folder, "depthwise.apus", "--calibrate", "nothing.npz"
    )
    np.savez(folder / "none.npz", x=np.zeros((0, 1, 16, 16), np.float32))
    assert "none.npz: there are no calibration samples" in refuse(
        folder, "depthwise.apus", "--calibrate", "none.npz"
    )


@pytest.mark.parametrize(
    "options, message",
    [
        ([], "--calibrate DATA is needed"),
        (["--calibrat", "x.npz"], "Unknown option '--calibrat'"),
        (["--calibrate", "x.npz", "--max-drop", "0.5"], "half a point is 0.5% or 0.005"),
        (["--calibrate", "x.npz", "--max-drop", "-1%"], "from 0% to less than 100%"),
        (["--calibrate", "x.npz", "--max-drop", "100%"], "from 0% to less than 100%"),
        (["--calibrate", "x.npz", "--max-drop", "much"], "from 0% to less than 100%"),
        (["--calibrate", "x.npz", "--samples", "0"], "--samples: 0; it must be at least 1"),
        (["--calibrate", "x.npz", "--observer", "max"], "'minmax', 'percentile', 'entropy' or 'mse'"),
    ],
)
def test_options_that_make_no_sense(folder, options, message):
    result = cli.run("quantize", "depthwise.apus", *options, "-o", "none.apus", cwd=folder)
    assert result.code == 2 and message in result.stderr, result.stderr
    assert len(result.stderr.splitlines()) == 1 and not (folder / "none.apus").exists()
