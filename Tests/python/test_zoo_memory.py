"""Machines with memory, trained for seconds: what libapus computes is what the papers' equations say."""

import numpy as np
import pytest
from memory_machines import DNC, NTM
from memory_training import refused, train

NTM_KEYS = dict(locations=12, width=6, read_heads=2, write_heads=2, shifts=5)
DNC_KEYS = dict(locations=10, width=6, read_heads=2)
COPY = "{problem: copy, bits: 4, length: [1, 4], sequences: 240, test: {length: 6}}"
RECALL = "{problem: associative-recall, bits: 4, length: [2, 4], sequences: 240}"
REPEAT = "{problem: repeat-copy, bits: 4, length: [1, 3], repeats: [1, 3], sequences: 240}"


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    ntm = train(tmp_path_factory.mktemp("ntm"), "ntm", NTM_KEYS, COPY)
    dnc = train(tmp_path_factory.mktemp("dnc"), "dnc", DNC_KEYS, RECALL)
    return {"ntm": (*ntm, NTM, NTM_KEYS), "dnc": (*dnc, DNC, DNC_KEYS)}


@pytest.mark.parametrize("name", ["ntm", "dnc"])
def test_steps_follow_the_paper(machines, name):
    model, weights, _, reference, keys = machines[name]
    session = model.session()
    wanted = reference(weights, **keys)
    width = model.inputs[0].shape[1]
    first = None
    for _ in range(2):  # a session that is reset starts over
        outputs = []
        steps = np.random.default_rng(1).integers(0, 2, (60, width)).astype(np.float32)
        for x in steps:
            (y, *_) = session.run(x[None]).values()
            np.testing.assert_allclose(y[0], wanted.step(x.astype(np.float64)), atol=2e-5)
            outputs.append(y.copy())
        session.reset()
        wanted.reset()
        if first is not None:
            assert all(np.array_equal(a, b) for a, b in zip(first, outputs))
        first = outputs


# Rare steps magnify a rounding. In the DNC one can decide which of two free locations is written, and from then
# on the two memories are the same but for the places; the test above sees that a reset brings both back.
@pytest.mark.parametrize("name, typical, worst", [("ntm", 1e-6, 1e-3), ("dnc", 1e-3, 3e-3)])
def test_ten_thousand_steps_do_not_drift(machines, name, typical, worst):
    model, weights, _, reference, keys = machines[name]
    session = model.session()
    wanted = reference(weights, **keys)
    rng = np.random.default_rng(2)
    width = model.inputs[0].shape[1]
    errors = []
    for _ in range(10_000):
        x = rng.integers(0, 2, width).astype(np.float32)
        (y, *_) = session.run(x[None]).values()
        errors.append(np.abs(y[0] - wanted.step(x.astype(np.float64))).max())
    assert max(errors) < worst and np.median(errors) < typical
    if name == "ntm":
        assert np.median(errors[-1000:]) < 2 * np.median(errors[:1000])


def test_measures_and_pictures(machines, tmp_path):
    said = machines["ntm"][2]
    assert "bits/sequence" in said and "wrong bits" in said
    assert said.splitlines()[1].startswith("test: ")
    page = tmp_path / "r.html"
    _, _, said = train(tmp_path, "ntm", {**NTM_KEYS, "controller": "feed-forward"}, REPEAT,
                       "--report", page)  # fmt: skip
    text = page.read_text()
    for title in ["Shown", "Wanted", "Said", "Read head 2", "Write head 1"]:
        assert f"<h2>{title}</h2>" in text


def test_mistakes_are_named(tmp_path):
    for key, wrong, message in [
        ("shifts", 4, "model.shifts must be odd"),
        ("locations", 1, "model.locations must be a whole number from 2 to 65536"),
    ]:
        assert message in refused(tmp_path, "ntm", {**NTM_KEYS, key: wrong}, COPY)
    said = refused(tmp_path, "dnc", DNC_KEYS, "{problem: coppy}")
    assert "there is no 'coppy'; did you mean 'copy'?" in said
