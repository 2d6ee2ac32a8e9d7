"""Numbers of PyTorch's for SequenceTests.swift: two bidirectional layers of LSTM over packed sequences
of different lengths, an answer at each step, the mean cross-entropy over the steps that are there.

    PYTHON Tests/TrainingTests/make_packed_sequences.py     (needs torch)

Weight k of a tensor with number n is sin(0.7 k + n) / 2, element (i, t, f) of the input
cos(0.3 (20 i + 3 t + f)); step t of sequence i has class (i + t) mod 3. The layers' gates are put in
ONNX's order (i, o, f, g; PyTorch's is i, f, g, o) before the numbers are told.
"""

import torch

BATCH, STEPS, INPUTS, HIDDEN, CLASSES = 3, 5, 2, 4, 3
LENGTHS = [5, 2, 4]
torch.set_default_dtype(torch.float64)


def numbers(count: int, n: int) -> torch.Tensor:
    return torch.sin(0.7 * torch.arange(count) + n) / 2


def swapped(t: torch.Tensor, to_onnx: bool) -> torch.Tensor:
    """Between the orders of gates."""
    a, b, c, d = t.chunk(4)
    return torch.cat([a, d, b, c] if to_onnx else [a, c, d, b])


layers = torch.nn.LSTM(INPUTS, HIDDEN, 2, bidirectional=True)
dense = torch.nn.Linear(2 * HIDDEN, CLASSES)
n = 0
with torch.no_grad():
    for layer in range(2):
        # As ONNX has them: W, R and B of both directions in one tensor each.
        pairs = [("weight_ih",), ("weight_hh",), ("bias_ih", "bias_hh")]
        for kinds in pairs:
            n += 1
            parts = [
                getattr(layers, f"{kind}_l{layer}{way}") for way in ("", "_reverse") for kind in kinds
            ]
            drawn = numbers(sum(p.numel() for p in parts), n)
            for part in parts:
                part.copy_(swapped(drawn[: part.numel()].reshape(part.shape), False))
                drawn = drawn[part.numel() :]
    # MatMul's weight is [inputs, classes].
    dense.weight.copy_(numbers(dense.weight.numel(), 7).reshape(2 * HIDDEN, CLASSES).T)
    dense.bias.copy_(numbers(CLASSES, 8))

i, t, f = torch.meshgrid(*map(torch.arange, (BATCH, STEPS, INPUTS)), indexing="ij")
x = torch.cos(0.3 * (20 * i + 3 * t + f))
packed = torch.nn.utils.rnn.pack_padded_sequence(
    x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
)
y = dense(torch.nn.utils.rnn.pad_packed_sequence(layers(packed)[0], batch_first=True)[0])
mask = torch.arange(STEPS) < torch.tensor(LENGTHS)[:, None]
target = (i + t)[:, :, 0] % CLASSES
loss = torch.nn.functional.cross_entropy(y[mask], target[mask])
loss.backward()
print(f"loss: {loss.item():.9f}")
print("logits of step 1 of sequence 1:", [round(v, 9) for v in y[1, 1].tolist()])
for layer in range(2):
    for kind in ("weight_ih", "weight_hh", "bias_ih"):
        for way in ("", "_reverse"):
            g = swapped(getattr(layers, f"{kind}_l{layer}{way}").grad, True).flatten()
            told = [round(v, 9) for v in (g.norm().item(), g[5].item(), g[-3].item())]
            print(f"{kind}_l{layer}{way}: norm, 5th, 3rd last:", told)
