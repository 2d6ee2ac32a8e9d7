"""Times epochs of training beside PyTorch: LeNet-5 on the digits and the character model.

    PYTHON tools/bench/training.py [--threads 1 2] [--epochs 3] [--networks lenet5 char-rnn]

Both train the same network with the same optimiser, batches of the same size and the same number of
threads, one epoch in turn. What is compared is the time of an epoch without its validation, the least
of all rounds of each: the machine may be shared. Samples are not changed at random (PyTorch has them as
tensors ready made; model-convert transforms each as it takes it).

PYTHON must have torch; model-convert is build/bin/model-convert or what APUS_MODEL_CONVERT names.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TOOL = os.environ.get("APUS_MODEL_CONVERT", str(ROOT / "build" / "bin" / "model-convert"))

LENET = f"""
name: LeNet-5
model: {{name: lenet5, activation: relu, subsampling: max, connections: full, dropout: 0.3}}
data:
  reader: csv
  path: {ROOT}/data/digits.csv
  label: label
  transforms: [{{reshape: [1, 8, 8]}}, {{resize: [32, 32]}}, {{scale: 0.0625}}]
loss: cross-entropy
optimizer: {{name: adam, learning_rate: 0.002}}
batch_size: 32
epochs: 1
"""

CHARACTERS = """
name: char-rnn
model: {name: char-rnn, cell: lstm, layers: 2, hidden_size: 256, embedding: 64, dropout: 0.1}
data: {reader: text, path: text.txt, vocabulary: characters}
loss: cross-entropy
optimizer: {name: adam, learning_rate: 0.003}
clipping: {norm: 5}
window: 64
batch_size: 32
epochs: 1
"""


def text(count: int) -> str:
    """The first characters of the library's own sources."""
    files = sorted((ROOT / "Sources").rglob("*.swift"))
    return "\n".join(f.read_text() for f in files)[:count]


def apus_epoch(folder: Path, recipe: str, threads: int) -> float:
    """Seconds of an epoch, as the trainer keeps them in its checkpoint."""
    (folder / "recipe.yaml").write_text(recipe)
    command = [TOOL, "train", "recipe.yaml", "-o", "net.apus", "--checkpoint", "run.ckpt"]
    command += ["--threads", str(threads)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return float(np.load(folder / "run.ckpt")["history"][0, 9])


class TorchLeNet:
    def __init__(self):
        import torch
        from torch import nn

        table = np.loadtxt(ROOT / "data" / "digits.csv", np.float32, delimiter=",", skiprows=1)
        images = torch.tensor(table[:, 1:].reshape(-1, 1, 8, 8) / 16)
        self.images = nn.functional.interpolate(
            images, size=32, mode="bilinear", align_corners=False
        )
        self.labels = torch.tensor(table[:, 0].astype(np.int64))
        self.network = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 120, 5), nn.ReLU(), nn.Flatten(),
            nn.Linear(120, 84), nn.ReLU(), nn.Dropout(0.3), nn.Linear(84, 10),
        )  # fmt: skip
        self.optimizer = torch.optim.Adam(self.network.parameters(), 0.002)

    def epoch(self) -> float:
        import torch

        start = time.perf_counter()
        order = torch.randperm(len(self.images))
        for i in range(0, len(order), 32):
            chosen = order[i : i + 32]
            logits = self.network(self.images[chosen])
            loss = torch.nn.functional.cross_entropy(logits, self.labels[chosen])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss.item()
        return time.perf_counter() - start


class TorchCharacters:
    def __init__(self, text: str):
        import torch
        from torch import nn

        tokens = {c: i + 1 for i, c in enumerate(sorted(set(text)))}
        count = len(tokens) + 1
        length = (len(text) - 1) // 32
        numbers = np.array([tokens[c] for c in text])
        self.inputs = torch.tensor(numbers[: 32 * length].reshape(32, length).T.copy())
        self.targets = torch.tensor(numbers[1 : 32 * length + 1].reshape(32, length).T.copy())
        self.embedding = nn.Embedding(count, 64)
        self.layers = nn.LSTM(64, 256, 2, dropout=0.1)
        self.output = nn.Linear(256, count)
        self.dropout = nn.Dropout(0.1)
        self.parameters = [
            p for m in (self.embedding, self.layers, self.output) for p in m.parameters()
        ]
        self.optimizer = torch.optim.Adam(self.parameters, 0.003)

    def epoch(self) -> float:
        import torch

        start = time.perf_counter()
        state = None
        for t in range(0, len(self.inputs) - 63, 64):
            x, state = self.layers(self.dropout(self.embedding(self.inputs[t : t + 64])), state)
            state = tuple(s.detach() for s in state)
            logits = self.output(self.dropout(x))
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), self.targets[t : t + 64].flatten()
            )
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.parameters, 5)
            self.optimizer.step()
            loss.item()
        return time.perf_counter() - start


def torch_worker(network: str, threads: int, rounds: int) -> None:
    """Trains an epoch for each line of stdin and says its seconds."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    made = TorchLeNet() if network == "lenet5" else TorchCharacters(Path("text.txt").read_text())
    for _ in range(rounds):
        sys.stdin.readline()
        print(made.epoch(), flush=True)


def compare(network: str, threads: int, rounds: int, folder: Path) -> tuple[float, float]:
    recipe = LENET if network == "lenet5" else CHARACTERS
    command = [sys.executable, __file__, "--worker", network, "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    worker = subprocess.Popen(
        [*command, "--epochs", str(rounds)], cwd=folder, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(apus_epoch(folder, recipe, threads))
        worker.stdin.write("\n")
        worker.stdin.flush()
        theirs.append(float(worker.stdout.readline()))
    worker.wait()
    return min(ours), min(theirs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--networks", nargs="+", default=["lenet5", "char-rnn"])
    parser.add_argument("--characters", type=int, default=200_000, help="length of the text")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        torch_worker(options.worker, options.threads[0], options.epochs)
        return
    print(f"{'network':<10} {'threads':>7} {'apus':>9} {'PyTorch':>9} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "text.txt").write_text(text(options.characters))
        for network in options.networks:
            for threads in options.threads:
                ours, theirs = compare(network, threads, options.epochs, folder)
                print(
                    f"{network:<10} {threads:>7} {ours:>7.2f} s {theirs:>7.2f} s "
                    f"{ours / theirs:>6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
