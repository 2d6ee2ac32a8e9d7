"""Speech: a network trained for a moment computes in the library what NumPy computes with the trainer's
weights, from samples on; in streams piece by piece what it computes at once; and ONNX Runtime agrees.
The text that the function "transcribe" finds is that of prefix beam search in NumPy, and of a sum over
all paths."""

from __future__ import annotations

import itertools
import json
import subprocess
import wave

import locate
import numpy as np
import pytest
from compilers import C_COMPILERS, compile_program, run
from harness import apus

RECIPE = """\
name: speech
model: {{name: deep-speech, filters: 12, hidden_size: 10, bands: 20, streaming: {streaming}}}
data:
  path: {path}
  test_speakers: [olga, pete]
  seconds: 1.5
  sounds: 64
  test_sounds: 16
optimizer: {{name: adam, learning_rate: 0.01}}
batch_size: 8
epochs: 2
"""


def train(folder, streaming):
    text = RECIPE.format(path=locate.REPOSITORY / "data/speech", streaming=str(streaming).lower())
    (folder / "r.yaml").write_text(text)
    done = subprocess.run(
        [str(locate.model_convert()), "train", "r.yaml", "-o", "r.apus", "--checkpoint", "r.npz",
         "--threads", "1", *([] if streaming else ["--export-onnx", "r.onnx"])],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "label error" in done.stdout and "word error" in done.stdout
    return folder / "r.apus"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return {s: train(tmp_path_factory.mktemp("speech"), s) for s in (False, True)}


def sound(steps):
    return np.random.default_rng(1).normal(0, 0.2, (1, steps * 160)).astype(np.float32)


def log_mel(x, bands=20, rate=8000, frame=200, hop=80, transform=256):
    """librosa's formula: power spectrum of Hann windows, Slaney's triangles, logarithm."""

    def mel(f):
        return np.where(f < 1000, f * 3 / 200, 15 + np.log(np.maximum(f, 1) / 1000) * 27 / np.log(6.4))

    def hertz(m):
        return np.where(m < 15, m * 200 / 3, 1000 * np.exp((m - 15) * np.log(6.4) / 27))

    corners = hertz(np.linspace(mel(0.0), mel(rate / 2), bands + 2))
    f = np.fft.rfftfreq(transform, 1 / rate)
    rise = (f - corners[:-2, None]) / np.diff(corners)[:-1, None]
    fall = (corners[2:, None] - f) / np.diff(corners)[1:, None]
    triangles = np.maximum(0, np.minimum(rise, fall)) * 2 / (corners[2:] - corners[:-2])[:, None]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(frame) / frame)
    starts = range(0, x.shape[0] - frame + 1, hop)
    spectrum = np.fft.rfft([x[s : s + frame] * window for s in starts], transform)
    return np.log(np.abs(spectrum) ** 2 @ triangles.T + 1e-6)  # [frames, bands]


def expected(folder, x, streaming, bands=20, filters=12, h=10):
    """The network in NumPy, in float64, with the weights that training ended with."""
    w, at = np.load(folder / "r.npz")["weights"].astype(np.float64), 0

    def take(*shape):
        nonlocal at
        n = int(np.prod(shape))
        at += n
        return w[at - n : at].reshape(shape)

    # In the order in which the function uses them.
    take(258, 1, 200), take(bands, 258, 1), take(bands)
    scale, shift, mean, variance = (take(bands) for _ in range(4))
    conv, conv_bias = take(filters, bands, 5), take(filters)
    directions = 1 if streaming else 2
    wi, wr = take(directions, 3 * h, filters), take(directions, 3 * h, h)
    bias = take(directions, 6 * h)
    classes = (w.size - at) // (directions * h + 1)
    out, out_bias = take(directions * h, classes), take(classes)
    assert at == w.size

    f = log_mel(np.concatenate([np.zeros(360), x.astype(np.float64)]), bands)
    f = (f - mean) / np.sqrt(variance + 1e-5) * scale + shift
    y = np.stack([
        np.maximum(0, np.einsum("kb,fbk->f", f[2 * t : 2 * t + 5], conv) + conv_bias)
        for t in range((len(f) - 5) // 2 + 1)
    ])  # fmt: skip

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    def gru(d, steps):
        # ONNX's gates: update, reset, hidden; linear_before_reset.
        (wz, wr_, wh), (rz, rr, rh) = np.split(wi[d], 3), np.split(wr[d], 3)
        bz, br, bh, cz, cr, ch = np.split(bias[d], 6)
        state, states = np.zeros(h), {}
        for t in steps:
            z = sigmoid(wz @ y[t] + bz + rz @ state + cz)
            r = sigmoid(wr_ @ y[t] + br + rr @ state + cr)
            n = np.tanh(wh @ y[t] + bh + r * (rh @ state + ch))
            state = (1 - z) * n + z * state
            states[t] = state
        return np.stack([states[t] for t in range(len(y))])

    hidden = gru(0, range(len(y)))
    if not streaming:
        hidden = np.concatenate([hidden, gru(1, reversed(range(len(y))))], 1)
    return hidden @ out + out_bias


@pytest.mark.parametrize("streaming", [False, True])
def test_the_library_computes_what_was_trained(trained, streaming):
    path = trained[streaming]
    x = sound(40)
    (y,) = apus.Model(path).session(shapes={"sound": x.shape}).run(x).values()
    wanted = expected(path.parent, x[0], streaming)
    assert y.shape == (40, 1, wanted.shape[1])
    assert np.abs(y[:, 0] - wanted).max() < 1e-4 * max(1, np.abs(wanted).max())


def test_a_stream_is_the_whole(trained):
    x = sound(40)
    model = apus.Model(trained[True])
    (whole,) = model.session(shapes={"sound": x.shape}).run(x).values()
    for piece in (1, 4, 10):
        session = model.session(shapes={"sound": (1, piece * 160)})
        for _ in range(2):
            parts = [
                next(iter(session.run(x[:, i : i + piece * 160]).values())).copy()
                for i in range(0, x.shape[1], piece * 160)
            ]
            assert np.abs(np.concatenate(parts) - whole).max() < 1e-5
            session.reset()


def test_ten_thousand_pieces_do_not_drift(trained):
    """A stream of 200 seconds, 20 ms at a time."""
    path = trained[True]
    x = sound(10_000)
    wanted = expected(path.parent, x[0], True)
    session = apus.Model(path).session(shapes={"sound": (1, 160)})
    pieces = [next(iter(session.run(x[:, i : i + 160]).values())).copy() for i in range(0, x.shape[1], 160)]
    y = np.concatenate(pieces)[:, 0]
    assert np.abs(y - wanted).max() < 1e-4 * max(1, np.abs(wanted).max())


def test_onnx_runtime_agrees(trained):
    onnxruntime = pytest.importorskip("onnxruntime")
    x = sound(25)
    path = trained[False]
    (y,) = apus.Model(path).session(shapes={"sound": x.shape}).run(x).values()
    session = onnxruntime.InferenceSession(str(path.with_suffix(".onnx")))
    (theirs,) = session.run(None, {"sound": x})
    assert np.abs(theirs - y).max() < 1e-4


def log_softmax(logits):
    y = logits.astype(np.float64)
    y = y - y.max(1, keepdims=True)
    return y - np.log(np.exp(y).sum(1, keepdims=True))


def prefix_beam_search(logits, beams):
    """Hannun et al. 2014, algorithm 1, without a language model: (labels, log-probability), best first."""
    kept = {(): (0.0, -np.inf)}
    for y in log_softmax(logits):
        found = {}

        def add(prefix, blank=-np.inf, label=-np.inf):
            b, l = found.get(prefix, (-np.inf, -np.inf))
            found[prefix] = (np.logaddexp(b, blank), np.logaddexp(l, label))

        for prefix, (blank, label) in kept.items():
            both = np.logaddexp(blank, label)
            add(prefix, blank=both + y[0])
            if prefix:
                add(prefix, label=label + y[prefix[-1]])
            for k in range(1, len(y)):
                add((*prefix, k), label=(blank if prefix[-1:] == (k,) else both) + y[k])
        best = sorted(found, key=lambda p: -np.logaddexp(*found[p]))
        kept = {p: found[p] for p in best[:beams]}
    return [(list(p), np.logaddexp(*ends)) for p, ends in kept.items()]


def transcribed(model, x):
    labels, score = model.session(function="transcribe", shapes={"sound": x.shape}).run(x).values()
    end = int(np.argmax(labels == 0)) if (labels == 0).any() else len(labels)
    assert (labels[end:] == 0).all()
    return labels[:end].tolist(), float(score[0])


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("steps, loudness", [(12, 0.2), (40, 0.02), (75, 1)])
def test_prefix_beam_search(trained, streaming, steps, loudness):
    model = apus.Model(trained[streaming])
    x = sound(steps) * np.float32(loudness / 0.2)
    (logits,) = model.session(shapes={"sound": x.shape}).run(x).values()
    wanted = prefix_beam_search(logits[:, 0], 16)
    labels, score = transcribed(model, x)
    assert labels == wanted[0][0]
    assert abs(score - wanted[0][1]) < 1e-3 * max(1, abs(wanted[0][1]))


@pytest.mark.parametrize("seed", range(6))
def test_the_search_finds_the_likeliest_labels_of_all(seed, tmp_path):
    """With as many beams as there are beginnings nothing is lost: it is the sum over all paths."""
    steps, classes = 5, 4
    logits = np.random.default_rng(seed).normal(0, 2, (steps, classes))
    y, sums = log_softmax(logits), {}
    for path in itertools.product(range(classes), repeat=steps):
        labels = tuple(k for k, _ in itertools.groupby(path) if k)
        sums[labels] = np.logaddexp(sums.get(labels, -np.inf), y[np.arange(steps), path].sum())
    best = max(sums, key=sums.get)
    found = prefix_beam_search(logits, 10_000)[0]
    assert found[0] == list(best) and abs(found[1] - sums[best]) < 1e-9


def test_the_tool_writes_what_is_said(trained, tmp_path):
    characters = apus.Model(trained[False]).metadata("characters")
    files = []
    for i, steps in enumerate((60, 110)):
        files.append(tmp_path / f"{i}.wav")
        with wave.open(str(files[-1]), "wb") as out:
            out.setnchannels(1), out.setsampwidth(2), out.setframerate(8000)
            out.writeframes((sound(steps)[0] * 32768).clip(-32768, 32767).astype("<i2").tobytes())
    command = [str(locate.model_convert()), "transcribe", str(trained[False])]
    done = subprocess.run([*command, *map(str, files), "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for file, result in zip(files, json.loads(done.stdout), strict=True):
        with wave.open(str(file)) as read:
            x = np.frombuffer(read.readframes(10**6), "<i2").astype(np.float32)[None] / 32768
        labels, score = transcribed(apus.Model(trained[False]), x)
        assert result["file"] == str(file)
        assert result["text"] == "".join(characters[k - 1] for k in labels)
        assert abs(result["log_probability"] - score) < 1e-4 * max(1, abs(score))
    for compiler in C_COMPILERS:
        program = compile_program(
            compiler, locate.REPOSITORY / "examples" / "transcribe.c", tmp_path / compiler, ["-std=c99"])
        for file, result in zip(files, json.loads(done.stdout)):
            assert run([program, trained[False], file]) == result["text"] + "\n"
    with wave.open(str(files[0]), "wb") as out:
        out.setnchannels(1), out.setsampwidth(2), out.setframerate(16000)
        out.writeframes(b"\0\0" * 100)
    slip = subprocess.run([program, trained[False], files[0]], capture_output=True, text=True)
    assert slip.returncode == 1 and "must have 8000 samples a second" in slip.stderr
    done = subprocess.run([*command, str(files[0])], capture_output=True, text=True)
    assert done.returncode == 1 and "16000 samples a second, and the model hears 8000" in done.stderr


def test_a_speaker_who_is_not_there_is_said(tmp_path):
    text = RECIPE.format(path=locate.REPOSITORY / "data/speech", streaming="false")
    (tmp_path / "r.yaml").write_text(text.replace("olga", "olaf"))
    done = subprocess.run(
        [str(locate.model_convert()), "train", "r.yaml", "-o", "r.apus"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "r.yaml:5: data.test_speakers:" in done.stderr and "no speaker 'olaf'" in done.stderr
