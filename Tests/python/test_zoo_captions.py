"""Captions of pictures: what a model's one function says is what the papers' equations and a beam search
in NumPy say, with the weights of the file; and what the painted scenes show is what their captions say."""

import struct
import subprocess

import locate
import numpy as np
import onnxruntime
import pytest
from attention_decoder import Decoder
from onnx import numpy_helper

locate.prepare()

import apus  # noqa: E402

DIGITS = locate.REPOSITORY / "data" / "digits.csv"
KINDS = {
    "additive": ("additive", "lstm", 3),
    "multiplicative": ("multiplicative", "gru", 2),
    "none": ("none", "lstm", 1),
}
SCENES = "{training: 64, validation: 16, test: 32}"
NUMBERS = "zero one two three four five six seven eight nine".split()
COLOURS = {
    "red": (220, 40, 40), "green": (50, 190, 60), "blue": (50, 80, 235),
    "yellow": (235, 215, 50), "purple": (175, 60, 205), "white": (230, 230, 230),
}  # fmt: skip


def convert(*arguments, code=0):
    command = [str(locate.model_convert()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def recipe(folder, attention="additive", cell="lstm", beams=3, model="", data="size: 32", scenes=SCENES):
    path = folder / "r.yaml"
    path.write_text(
        f"model: {{name: captioner, attention: {attention}, cell: {cell}, beams: {beams},"
        f" filters: [4, 6, 8, 10], embedding: 6, hidden_size: 16{model}}}\n"
        f"data: {{path: {DIGITS}, scenes: {scenes}, split: {{validation: 0.1, test: 0.2}}, {data}}}\n"
        "optimizer: {name: adam, learning_rate: 0.01}\nclipping: {norm: 5}\n"
        "batch_size: 16\nepochs: 2\nseed: 2\n"
    )
    return path


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    said = convert(
        "train", recipe(folder, *KINDS[request.param]), "-o", folder / "net.apus", "--threads", 1,
        "--export-onnx", folder / "net.onnx", "--report", folder / "r.html",
    )  # fmt: skip
    convert("samples", folder / "r.yaml", "--part", "test", "-o", folder / "test.npz")
    return request.param, folder, said


class Reference(Decoder):
    """Xu et al. 2015, section 3.1, and Vinyals et al. 2015, section 3: convolutions, then the decoder."""

    def caption(self, image, beams, length):
        x = image.astype(np.float64)
        layers = [n for n in self.graph.node if n.op_type == "Conv"]
        assert len(layers) == 4
        for i, layer in enumerate(layers):
            w, b = (self.w[name] for name in layer.input[1:])
            x = np.maximum(convolve(x, w) + b[:, None, None], 0)
            if i < 3:
                c, h, _ = x.shape
                x = x.reshape(c, h // 2, 2, h // 2, 2).max((2, 4))
        c, n, _ = x.shape
        middles = (np.arange(n) + 0.5) / n * 2 - 1
        places = np.array([(a, b) for b in middles for a in middles])
        rows = np.hstack([x.reshape(c, n * n).T, places])
        summary = rows.ravel() if self.attention == "none" else rows.mean(0)
        return self.search(summary, rows, beams, length)


def convolve(x, w):
    """3 × 3, with a border of zeros."""
    h = x.shape[1]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    return sum(
        np.einsum("oc,chw->ohw", w[:, :, i, j], padded[:, i : i + h, j : j + h])
        for i in range(3)
        for j in range(3)
    )


def words_of(model, tokens):
    words = model.metadata("target_words").split("\n")
    tokens = list(tokens)
    tokens = tokens[: tokens.index(0)] if 0 in tokens else tokens
    return " ".join(words[t - 2] if t >= 2 else "?" for t in tokens)


def test_one_call_is_a_beam_search(trained):
    name, folder, _ = trained
    attention, cell, beams = KINDS[name]
    model = apus.Model(str(folder / "net.apus"))
    session = model.session()
    reference = Reference(folder / "net.onnx", attention, cell)
    known = onnxruntime.InferenceSession(str(folder / "net.onnx"))
    random = np.random.default_rng(1)
    pictures = list(np.load(folder / "test.npz")["x"][:6])
    pictures += [random.random((3, 32, 32), np.float32), np.zeros((3, 32, 32), np.float32)]
    for picture in pictures:
        said = session.run(picture[None])
        score, tokens = reference.caption(picture, beams, 14)
        assert list(said["tokens"]) == tokens
        np.testing.assert_allclose(said["score"], [score], atol=1e-4)
        theirs = known.run(["tokens", "score"], {"image": picture[None]})
        assert list(theirs[0]) == tokens
        np.testing.assert_allclose(theirs[1], [score], atol=1e-4)


def test_the_report_draws_where_it_looks(trained):
    name, folder, said = trained
    assert "exact" in next(line for line in said.splitlines() if line.startswith("test: "))
    page = (folder / "r.html").read_text()
    assert ("Where it looks for each word" in page) == (name != "none")
    assert ("data:image/png;base64," in page) == (name != "none")


def test_generate_prints_what_the_function_says(trained):
    _, folder, _ = trained
    model = apus.Model(str(folder / "net.apus"))
    for count in (1, 3):
        right = convert(
            "samples", folder / "r.yaml", "--part", "test", "--count", count, "-o", folder / "p.png"
        )
        assert len(right.splitlines()) == count
    convert("samples", folder / "r.yaml", "--part", "test", "--count", 1, "-o", folder / "p.png")
    picture = np.load(folder / "test.npz")["x"][:1]
    wanted = words_of(model, model.session().run(picture)["tokens"])
    assert convert("generate", folder / "net.apus", "--image", folder / "p.png") == wanted + "\n"


def test_generate_slips(trained, tmp_path):
    _, folder, _ = trained
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (tmp_path / "notes.txt").write_text("no picture\n")
    for arguments, said in [
        ([], "it says what is in a picture; give --image FILE"),
        (["--input", "three"], "it says what is in a picture; give --image FILE, not --input"),
        (["--image", tmp_path / "none.png"], "none.png: "),
        (["--image", tmp_path / "broken.png"], "broken.png: the image cannot be decoded"),
        (["--image", tmp_path / "notes.txt"], "notes.txt: neither a PNG nor a JPEG"),
        (["--image", tmp_path / "none.png", "--temperature", "1"], "--temperature is for character"),
    ]:
        error = convert("generate", folder / "net.apus", *arguments, code=1)
        assert said in error and len(error.splitlines()) == 1


def test_samples_as_a_picture_are_of_pictures(tmp_path):
    error = convert(
        "samples", locate.REPOSITORY / "recipes" / "mlp.yaml", "-o", tmp_path / "x.png", code=1
    )
    assert "x.png: only the pictures of detectors and captioners are written as PNG" in error
    ssd = locate.REPOSITORY / "recipes" / "ssd-digits.yaml"
    convert("samples", ssd, "--part", "test", "--count", 2, "-o", tmp_path / "x.png")
    # Two of 64 × 64 with a white border of two pixels around each.
    assert (tmp_path / "x.png").read_bytes()[16:24] == struct.pack(">II", 136, 68)


@pytest.mark.parametrize(
    "change,said",
    [
        ({"data": "size: 36"}, "data.size: 36; it must be a multiple of 8"),
        ({"data": "digits: [3, 1]"}, "the first number is the least"),
        ({"data": "digits: 9"}, "data.digits must be"),
        ({"data": "colour: red"}, "unknown key 'colour' in 'data'"),
        ({"attention": "hard"}, "model.attention: there is no 'hard'"),
        ({"cell": "rnn"}, "model.cell: there is no 'rnn'"),
        ({"model": ", filter: [3]"}, "did you mean 'filters'?"),
        ({"scenes": "{training: none}"}, "data.scenes.training must be a whole number"),
        ({"beams": 0}, "model.beams must be a whole number from 1 to 64"),
    ],
)
def test_wrong_recipes_are_told(change, said, tmp_path):
    error = convert("train", recipe(tmp_path, **change), "-o", tmp_path / "n.apus", code=1)
    assert said in error and "r.yaml:" in error and len(error.splitlines()) == 1


def test_a_recipe_with_too_few_filters_is_told(tmp_path):
    path = recipe(tmp_path)
    path.write_text(path.read_text().replace("[4, 6, 8, 10]", "[4, 6]"))
    assert "model.filters must be" in convert("train", path, "-o", tmp_path / "n.apus", code=1)


def scenes(tmp_path, digits, part="test"):
    """Pictures and captions."""
    path = recipe(tmp_path, data=f"digits: {digits}", scenes="{training: 200, validation: 4, test: 300}")
    convert("samples", path, "--part", part, "-o", tmp_path / "s.npz")
    arrays = np.load(tmp_path / "s.npz")
    return arrays["x"], arrays["y"], bytes(arrays["captions"]).decode().splitlines()


def named(caption):
    """(colour, number) of each digit, and what stands between them."""
    things, between = [], []
    for i, part in enumerate(caption.replace("left of", "left-of").split(" a ")):
        words = part.removeprefix("a ").split()
        things.append((words[0], words[1]))
        between += words[2:]
        assert len(words) <= 3
    return things, between


def places(picture, colours):
    """The middles of the inks of these colours, by the pixels that are nearest to each."""
    pixels = picture.reshape(3, -1).T * 255
    size = picture.shape[1]
    nearest = np.argmin(
        [np.abs(pixels - COLOURS[c]).max(1) for c in colours], axis=0
    )
    far = np.min([np.abs(pixels - COLOURS[c]).max(1) for c in colours], axis=0)
    found = []
    for i in range(len(colours)):
        at = np.nonzero((nearest == i) & (far < 45))[0]
        if len(at) == 0:
            return None
        x, y = at % size, at // size
        found.append(((x.min() + x.max()) / 2, (y.min() + y.max()) / 2))
    return found


def test_captions_are_what_the_pictures_show(tmp_path):
    """Where the colours of the caption are found, and how they stand to each other."""
    pictures, tokens, captions = scenes(tmp_path, "[1, 3]")
    assert pictures.shape == (300, 3, 48, 48) and 0 <= pictures.min() and pictures.max() <= 1
    counts, seen, relations = {1: 0, 2: 0, 3: 0}, 0, set()
    for picture, caption in zip(pictures, captions):
        things, between = named(caption)
        counts[len(things)] += 1
        assert all(number in NUMBERS and colour in COLOURS for colour, number in things)
        relations.update(between)
        colours = [colour for colour, _ in things]
        found = places(picture, colours) if len(set(colours)) == len(colours) else None
        if found is None:
            continue
        seen += 1
        for (x1, y1), (x2, y2), word in zip(found, found[1:], between):
            assert x1 < x2
            # Faint ink at the edge of a digit may be missed: a pixel or two.
            dx, dy = x2 - x1, y2 - y1
            if abs(abs(dx) - abs(dy)) > 3:
                assert word == ("left-of" if dx > abs(dy) else "above" if dy > 0 else "below")
    assert relations == {"left-of", "above", "below"}
    assert min(counts.values()) > 60 and seen > 150


def test_tokens_are_the_captions_words(trained):
    _, folder, _ = trained
    model = apus.Model(str(folder / "net.apus"))
    arrays = np.load(folder / "test.npz")
    captions = bytes(arrays["captions"]).decode().splitlines()
    assert [words_of(model, row) for row in arrays["y"]] == captions


def test_parts_have_digits_of_their_own(tmp_path):
    """The same writers' digits in no two parts; the same scenes in every call."""
    first = scenes(tmp_path, 1, "test")
    again = scenes(tmp_path, 1, "test")
    assert np.array_equal(first[0], again[0]) and first[2] == again[2]
    other = scenes(tmp_path, 1, "training")
    assert not any(np.array_equal(a, b) for a, b in zip(first[0], other[0]))


def test_captions_are_learned(tmp_path):
    """Single digits: the colours alone would make 10 % right; the whole recipe reaches more."""
    path = recipe(
        tmp_path, data="digits: 1, size: 32", scenes="{training: 1600, validation: 64, test: 320}"
    )
    text = path.read_text()
    for old, new in [
        ("[4, 6, 8, 10]", "[8, 16, 32]"), ("hidden_size: 16", "hidden_size: 48"),
        ("epochs: 2", "epochs: 10"), ("learning_rate: 0.01", "learning_rate: 0.005"),
    ]:  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    said = convert("train", path, "-o", tmp_path / "net.apus", "--threads", 1)
    assert float(said.split("exact ")[-1].split(" %")[0]) > 30
