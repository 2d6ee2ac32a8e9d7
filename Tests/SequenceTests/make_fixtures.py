"""Makes what the tests compare with.

    python make_fixtures.py ctc            (numpy, torch)
    python make_fixtures.py log-mel        (numpy, librosa 0.11)

ctc.npz: CTC losses and their gradients by PyTorch's ctc_loss, in float64.

Case i has "i/logits" [T, N, C], "i/lengths" [N], "i/labels" [N, L] filled up with -1, "i/blank", and
what is to come out: "i/loss" [N], "i/gradient" of the losses' sum by the logits.

log-mel.npz: "sound" [2, samples], its features by librosa at 8,000 samples a second (40 bands, frames of
200 in transforms of 256) "small" and "triangles", and at 16,000 (64 bands from 20 to 7,600 Hz, frames of
400 in transforms of 512) "large".
"""

import sys
from pathlib import Path

import numpy as np

FIXTURES = Path(__file__).parent / "Fixtures"

CASES = [  # steps, sequences, classes, most labels, blank, scale of the logits
    (1, 1, 2, 1, 0, 1.0),
    (6, 3, 4, 3, 0, 1.0),
    (12, 4, 5, 5, 4, 2.0),
    (40, 2, 28, 12, 0, 3.0),
    (200, 2, 11, 30, 0, 8.0),
]


def ctc() -> None:
    import torch

    random = np.random.default_rng(6)
    arrays = {}
    for i, (steps, count, classes, most, blank, scale) in enumerate(CASES):
        logits = scale * random.standard_normal((steps, count, classes))
        lengths = random.integers(max(1, steps * 2 // 3), steps + 1, count)
        labels = np.full((count, most), -1)
        wanted = [k for k in range(classes) if k != blank]
        for n in range(count):
            length = most if n == 0 else random.integers(0, most + 1)
            drawn = random.choice(wanted, length)
            # A repetition needs a step more: keep what fits.
            while length + (drawn[1:] == drawn[:-1]).sum() > lengths[n]:
                length -= 1
                drawn = drawn[:length]
            labels[n, :length] = drawn
        z = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
        sizes = torch.tensor((labels >= 0).sum(1))
        loss = torch.nn.functional.ctc_loss(
            z.log_softmax(2), torch.tensor(labels[labels >= 0]), torch.tensor(lengths), sizes,
            blank=blank, reduction="none",
        )
        loss.sum().backward()
        arrays |= {
            f"{i}/logits": logits, f"{i}/lengths": lengths, f"{i}/labels": labels,
            f"{i}/blank": np.array([blank]), f"{i}/loss": loss.detach().numpy(),
            f"{i}/gradient": z.grad.numpy(),
        }
    np.savez_compressed(FIXTURES / "ctc.npz", **arrays)


def log_mel() -> None:
    import librosa

    random = np.random.default_rng(2)
    t = np.arange(1_600) / 8_000
    sound = np.stack([
        0.5 * np.sin(2 * np.pi * 440 * t) + 0.2 * np.sin(2 * np.pi * 2_900 * t),
        0.1 * random.standard_normal(len(t)) * (t < 0.1),
    ]).astype(np.float32)

    def features(rate, frame, hop, transform, bands, lowest, highest):
        # librosa centres a short frame in its transform: silence before the sound moves it there.
        before = (transform - frame) // 2
        padded = np.pad(sound.astype(np.float64), ((0, 0), (before, transform - frame - before)))
        mel = librosa.feature.melspectrogram(
            y=padded, sr=rate, n_fft=transform, hop_length=hop, win_length=frame, window="hann",
            center=False, power=2.0, n_mels=bands, fmin=lowest, fmax=highest,
        )  # fmt: skip
        return np.log(mel + 1e-6)

    np.savez_compressed(
        FIXTURES / "log-mel.npz", sound=sound,
        triangles=librosa.filters.mel(sr=8_000, n_fft=256, n_mels=40),
        small=features(8_000, 200, 80, 256, 40, 0, 4_000),
        large=features(16_000, 400, 160, 512, 64, 20, 7_600),
    )  # fmt: skip


{"ctc": ctc, "log-mel": log_mel}[sys.argv[1]]()
