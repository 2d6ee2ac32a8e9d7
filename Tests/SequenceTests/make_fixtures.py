"""Makes Fixtures/ctc.npz: CTC losses and their gradients by PyTorch's ctc_loss, in float64.

    python make_fixtures.py        (numpy, torch)

Case i has "i/logits" [T, N, C], "i/lengths" [N], "i/labels" [N, L] filled up with -1, "i/blank", and
what is to come out: "i/loss" [N], "i/gradient" of the losses' sum by the logits.
"""

from pathlib import Path

import numpy as np
import torch

CASES = [  # steps, sequences, classes, most labels, blank, scale of the logits
    (1, 1, 2, 1, 0, 1.0),
    (6, 3, 4, 3, 0, 1.0),
    (12, 4, 5, 5, 4, 2.0),
    (40, 2, 28, 12, 0, 3.0),
    (200, 2, 11, 30, 0, 8.0),
]


def main() -> None:
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
    np.savez_compressed(Path(__file__).parent / "Fixtures" / "ctc.npz", **arrays)


main()
