"""Sequence to sequence: what a model's one function says is what the papers' equations and a beam
search in NumPy say, with the weights of the file."""

import subprocess

import locate
import numpy as np
import onnxruntime
import pytest
from attention_decoder import Decoder, score_by_steps
from compilers import C_COMPILERS, compile_program, run

locate.prepare()

import apus  # noqa: E402

KINDS = {
    "additive": ("additive", "gru", 3),
    "multiplicative": ("multiplicative", "lstm", 4),
    "none": ("none", "gru", 2),
    "greedy": ("additive", "lstm", 1),
}
SAYINGS = ["7 March 2021", "Thu 4 Jul 1996", "the 1st of January 2000", "12/31/1999", "3", "§?"]


def train(folder, attention, cell, beams, data="{problem: dates, pairs: 640, test: 64}", epochs=2):
    recipe = folder / "r.yaml"
    recipe.write_text(
        f"model: {{name: translator, attention: {attention}, cell: {cell}, beams: {beams},"
        " embedding: 12, hidden_size: 24, longest: 14}\n"
        f"data: {data}\noptimizer: {{name: adam, learning_rate: 0.01}}\nclipping: {{norm: 5}}\n"
        f"batch_size: 16\nepochs: {epochs}\nseed: 2\n"
    )
    said = subprocess.run(
        [locate.model_convert(), "train", recipe, "-o", folder / "net.apus", "--threads", "1",
         "--export-onnx", folder / "net.onnx", "--report", folder / "r.html"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return said


@pytest.fixture(scope="module", params=list(KINDS))
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    said = train(folder, *KINDS[request.param])
    return request.param, folder, said


def encode(model, text):
    known = model.metadata("source_characters")
    return np.array([known.index(c) + 2 if c in known else 1 for c in text], np.int32)


class Reference(Decoder):
    """The encoder in both directions, and the decoder behind it."""

    def translate(self, tokens, beams, length):
        xs = self.w["source.weight"][tokens]
        size = self.w["encoder.recurrent_weight"].shape[2]
        ways = []
        for direction in (0, 1):
            h, c, outputs = np.zeros(size), np.zeros(size), []
            for x in xs if direction == 0 else xs[::-1]:
                h, c = self.recurrent("encoder", direction, x, h, c)
                outputs.append(h)
            ways.append(outputs if direction == 0 else outputs[::-1])
        rows = np.hstack([np.array(ways[0]), np.array(ways[1])])
        return self.search(ways[1][0], rows, beams, length)


def test_one_call_is_a_beam_search(trained):
    name, folder, _ = trained
    attention, cell, beams = KINDS[name]
    model = apus.Model(str(folder / "net.apus"))
    reference = Reference(folder / "net.onnx", attention, cell)
    known = onnxruntime.InferenceSession(str(folder / "net.onnx"))
    for text in SAYINGS:
        source = encode(model, text)
        said = model.session(shapes={"source": source.shape}).run(source)
        score, tokens = reference.translate(source, beams, 14)
        assert list(said["tokens"]) == tokens, text
        np.testing.assert_allclose(said["score"], [score], atol=1e-4)
        theirs = known.run(["tokens", "score"], {"source": source})
        assert list(theirs[0]) == tokens
        np.testing.assert_allclose(theirs[1], [score], atol=1e-4)


def test_its_parts_say_how_likely_that_was(trained):
    """What a program's own search would stand on: "encode" and "step"."""
    name, folder, _ = trained
    model = apus.Model(str(folder / "net.apus"))
    for text in SAYINGS:
        source = encode(model, text)
        said = model.session(shapes={"source": source.shape}).run(source)
        tokens, score = list(said["tokens"]), float(said["score"][0])
        found, looked = score_by_steps(model, {"source": source}, tokens)
        assert abs(found - score) < 1e-4
        steps = min(np.count_nonzero(tokens) + 1, len(tokens))
        assert len(looked) == (0 if name == "none" else steps)
        for weights in looked:
            assert weights.shape == source.shape and abs(weights.sum() - 1) < 1e-5


def test_the_report_draws_what_is_looked_at(trained):
    name, folder, said = trained
    assert "exact" in next(line for line in said.splitlines() if line.startswith("test: "))
    drawn = "What is looked at for each character" in (folder / "r.html").read_text()
    assert drawn == (name != "none")


def test_pairs_of_a_file(tmp_path):
    (tmp_path / "pairs.tsv").write_text("".join(f"{i}\t{i * 7}\n" for i in range(200)))
    data = f"{{problem: pairs, path: {tmp_path / 'pairs.tsv'}, pairs: 160, validation: 20, test: 20}}"
    assert "test: loss" in train(tmp_path, "additive", "gru", 2, data, epochs=1)
    (tmp_path / "pairs.tsv").write_text("one\tuno\ntwo\n")
    with pytest.raises(subprocess.CalledProcessError) as error:
        train(tmp_path, "additive", "gru", 2, data)
    assert "pairs.tsv:2: a source and a target with a tab between are wanted" in error.value.stderr


def generate(folder, *arguments, code=0):
    command = [locate.model_convert(), "generate", folder / "net.apus", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_generate_prints_what_the_function_says(trained):
    _, folder, _ = trained
    model = apus.Model(str(folder / "net.apus"))
    letters = model.metadata("target_characters")
    for text in SAYINGS:
        source = encode(model, text)
        tokens = model.session(shapes={"source": source.shape}).run(source)["tokens"]
        length = list(tokens).index(0) if 0 in tokens else len(tokens)
        said = "".join(letters[t - 2] if t >= 2 else "\ufffd" for t in tokens[:length])
        assert generate(folder, "--input", text) == said + "\n"


@pytest.mark.parametrize(
    "arguments,code,said",
    [
        ([], 1, "it translates; give --input TEXT"),
        (["--input", ""], 2, "--input: it is empty"),
        (["--image", "a.png"], 1, "it translates; give --input TEXT, not --image"),
        (["--input", "3", "--image", "a.png"], 2, "give one of them"),
        (["--input", "3", "--length", "3"], 1, "--length is for character models; this one translates"),
        (["--input", "3", "--seed", "3"], 1, "--seed is for character models"),
    ],
)
def test_generate_slips(arguments, code, said, trained):
    error = generate(trained[1], *arguments, code=code)
    assert said in error and len(error.splitlines()) == 1


def test_characters_never_seen_are_told(trained):
    command = [locate.model_convert(), "generate", trained[1] / "net.apus", "--input", "1 § ? §"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "it has never seen '§', '?' and takes" in done.stderr


def test_dates_are_learned(tmp_path):
    """Days that it has not seen; the whole recipe reaches more."""
    said = train(
        tmp_path, "additive", "gru", 4, "{problem: dates, pairs: 6400, test: 640}", epochs=4
    )
    share = float(said.split("exact ")[-1].split(" %")[0])
    assert share > 90


def test_a_c_program_translates_the_same(trained, tmp_path):
    """examples/translate.c beside `model-convert generate`."""
    example = locate.REPOSITORY / "examples" / "translate.c"
    for compiler in C_COMPILERS:
        program = compile_program(compiler, example, tmp_path / compiler, ["-std=c99"])
        for text in [*SAYINGS, "1 § ?"]:
            written = run([program, trained[1] / "net.apus", text])
            assert written == generate(trained[1], "--input", text)
