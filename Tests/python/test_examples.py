"""The programs in examples/ are compiled without a warning, and do what they say."""

import importlib.util
import os
import subprocess
import sys

import locate
import models
import numpy as np
import pytest
from compilers import C_COMPILERS, CXX_COMPILERS, compile_program, run
from harness import apus

EXAMPLES = locate.REPOSITORY / "examples"
DIGITS = locate.REPOSITORY / "data" / "digits.csv"
PYTHON = {**os.environ, "PYTHONPATH": str(locate.REPOSITORY / "bindings" / "python")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def lenet(folder):
    path = folder / "lenet5.apus"
    path.write_bytes(models.make("lenet").to_bytes())
    return path


@pytest.fixture(scope="module")
def digits(folder):
    """The project's digits, or in their absence rows of the same form."""
    if DIGITS.exists():
        return DIGITS
    rng = np.random.default_rng(3)
    lines = ["label," + ",".join(f"p{i}" for i in range(64))]
    lines += [",".join(map(str, [k, *rng.integers(0, 17, 64)])) for k in range(12)]
    path = folder / "digits.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "digits.py"), *map(str, arguments)],
        env=PYTHON, capture_output=True, text=True,
    )  # fmt: skip


def test_enlargement():
    """Against a formula of its own: for each new pixel the old ones weigh max(0, 1 − distance)."""
    spec = importlib.util.spec_from_file_location("digits_example", EXAMPLES / "digits.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    images = np.random.default_rng(1).random((3, 8, 8)).astype(np.float32)
    old, new = np.arange(8) + 0.5, (np.arange(32) + 0.5) / 4
    weights = np.maximum(0, 1 - np.abs(new[:, None] - old))
    weights /= weights.sum(axis=1, keepdims=True)
    wanted = weights @ images.astype(np.float64) @ weights.T
    np.testing.assert_allclose(example.enlarge(images), wanted, atol=1e-6)


def test_three_languages_agree(lenet, digits, folder):
    """The same ten lines from C, C++ and Python, with each compiler."""
    images = folder / "ten.npy"
    done = run_python(lenet, digits, images)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 10
    assert all(" is recognised as " in line for line in lines)
    for compiler in C_COMPILERS:
        program = compile_program(compiler, EXAMPLES / "digits.c", folder / "c", ["-std=c99"])
        assert run([program, lenet, digits]).splitlines() == lines
    for compiler in CXX_COMPILERS:
        program = compile_program(compiler, EXAMPLES / "digits.cpp", folder / "cpp", ["-std=c++17"])
        assert run([program, lenet, digits]).splitlines() == lines
    # What was saved for others is what was run on.
    saved = np.load(images)
    assert saved.shape == (10, 1, 32, 32) and saved.dtype == np.float32
    session = apus.Model(lenet).session(shapes={"x": saved.shape})
    best = session.run(saved)["scores"].argmax(axis=1)
    assert [int(line.rsplit(" ", 1)[1]) for line in lines] == best.tolist()


@pytest.fixture(scope="module")
def char_rnn(folder):
    return compile_program(C_COMPILERS[0], EXAMPLES / "char_rnn.c", folder / "rnn", ["-std=c99"])


class Random:
    """xorshift64*, as the example has it."""

    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) % 2**64

    def uniform(self):
        x = self.state
        x ^= x >> 12
        x ^= x << 25 & 2**64 - 1
        x ^= x >> 27
        self.state = x
        return (x * 2685821657736338717 % 2**64 >> 11) / 2**53


def written(path, length, temperature, seed, start, token_of, text_of):
    """What the example should write, by the Python binding."""
    session = apus.Model(path).session()
    random = Random(seed)
    step = lambda token: session.run(np.array([[token]], np.int32))["logits"].ravel()
    for token in map(token_of, start):
        logits = step(token)
    result = []
    for _ in range(length):
        token = int(logits.argmax())
        if temperature > 0:
            weights = np.exp((logits.astype(np.float64) - float(logits.max())) / temperature)
            left = random.uniform() * weights.sum()
            token = int(np.searchsorted(np.cumsum(weights), left, side="right"))
        result.append(text_of(token))
        logits = step(token)
    return result


def generate_py(*arguments):
    command = [sys.executable, EXAMPLES / "generate.py", *arguments]
    return subprocess.run(command, capture_output=True, check=True, env=PYTHON).stdout


def generate(path, length, temperature, seed, start):
    """The same by model-convert, which prints what it reads as well."""
    command = [locate.model_convert(), "generate", path, "--length", length, "--seed", seed]
    command += ["--temperature", temperature, "--prompt", start]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["--length", "-1"], "--length: -1"),
        (["--temperature", "-1"], "--temperature: -1.0"),
        (["--prompt", ""], "--prompt: it is empty"),
        ([], "it is no model that reads one token at a time"),
    ],
)
def test_generate_slips(arguments, said, lenet):
    command = [locate.model_convert(), "generate", str(lenet), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == (2 if arguments else 1) and done.stdout == ""
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("temperature", [0, 0.5, 1.5])
def test_char_rnn_of_bytes(temperature, char_rnn, folder):
    path = folder / "bytes.apus"
    path.write_bytes(models.make("char_rnn").to_bytes())
    done = subprocess.run(
        [char_rnn, path, "200", str(temperature), "42", "ab"], capture_output=True, check=True
    )
    wanted = written(path, 200, temperature, 42, b"ab", int, lambda t: bytes([t]))
    assert done.stdout == b"".join(wanted) + b"\n"
    if temperature:
        assert len(set(wanted)) > 20
    assert generate_py(path, "200", str(temperature), "42", "ab") == done.stdout
    assert generate(path, "200", str(temperature), "42", "ab") == b"ab" + done.stdout


def test_char_rnn_of_characters(char_rnn, folder):
    characters = "\n abcdeäöü→𝄞"
    path = folder / "characters.apus"
    path.write_bytes(models.make("char_rnn", characters=characters).to_bytes())
    output = run([char_rnn, path, "300", "1", "7", "aä𝄞?"])
    wanted = written(
        path, 300, 1, 7, "aä𝄞?", lambda c: characters.find(c) + 1,
        lambda t: characters[t - 1] if t else "",
    )  # fmt: skip
    assert output == "".join(wanted) + "\n"
    assert "𝄞" in output and "ä" in output
    assert generate_py(path, "300", "1", "7", "aä𝄞?").decode() == output
    assert generate(path, "300", "1", "7", "aä𝄞?").decode() == "aä𝄞?" + output


@pytest.mark.parametrize(
    "arguments,code", [([], 2), (["a", "b", "c", "d", "e"], 2), (["/nowhere", "DIGITS"], 1)]
)
def test_slips(arguments, code, digits, folder, char_rnn):
    """One line on stderr, nothing on stdout, and the right code."""
    arguments = [str(digits) if a == "DIGITS" else a for a in arguments]
    c = compile_program(C_COMPILERS[0], EXAMPLES / "digits.c", folder / "c", ["-std=c99"])
    cpp = compile_program(CXX_COMPILERS[0], EXAMPLES / "digits.cpp", folder / "cpp", ["-std=c++17"])
    for done in (
        subprocess.run([c, *arguments], capture_output=True, text=True),
        subprocess.run([cpp, *arguments], capture_output=True, text=True),
    ):
        assert done.returncode == code
        assert done.stdout == "" and len(done.stderr.splitlines()) == 1
    done = run_python(*arguments)
    assert done.returncode != 0 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    done = subprocess.run([char_rnn, *(["/nowhere"] if code == 1 else [])], capture_output=True)
    assert done.returncode == code and len(done.stderr.splitlines()) == 1
