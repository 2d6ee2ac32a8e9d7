"""Writes text with a char-rnn, one character at a time, in Python.

    python generate.py char-rnn.apus [LENGTH [TEMPERATURE [SEED [START]]]]

The same arguments give the same text as char_rnn.c, which says what they mean, and as

    model-convert generate char-rnn.apus --length LENGTH --temperature TEMPERATURE --seed SEED
"""

import math
import sys

import apus
import numpy as np


class Vocabulary:
    """Which text a token stands for: a byte, or a character of the metadata entry "characters",
    token 1 being the first of them and token 0 all others."""

    def __init__(self, characters):
        self.characters = characters

    def tokens(self, text):
        if self.characters is None:
            return list(text.encode())
        return [self.characters.find(c) + 1 for c in text]

    def bytes(self, token):
        if self.characters is None:
            return bytes([token])
        return self.characters[token - 1].encode() if token else b""


class Sampler:
    """Draws tokens from softmax(logits / temperature)."""

    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) % 2**64

    def uniform(self):
        """xorshift64* (S. Vigna, 2014): uniform in [0, 1)."""
        x = self.state
        x ^= x >> 12
        x ^= x << 25 & 2**64 - 1
        x ^= x >> 27
        self.state = x
        return (x * 2685821657736338717 % 2**64 >> 11) / 2**53

    def draw(self, logits, temperature):
        best = int(logits.argmax())
        if temperature <= 0:
            return best
        weights = [math.exp(z / temperature) for z in (logits - logits[best]).tolist()]
        left = self.uniform() * sum(weights)
        for token, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return token
        return best


def main() -> None:
    if not 2 <= len(sys.argv) <= 6:
        sys.exit("usage: generate.py MODEL.apus [LENGTH [TEMPERATURE [SEED [START]]]]")
    given = sys.argv[2:]
    defaults = ["500", "0.8", "1", "\n"]
    length, temperature, seed, start = given + defaults[len(given) :]

    model = apus.Model(sys.argv[1])
    # What the network remembers is state of the model: it stays in the session.
    session = model.session()
    vocabulary = Vocabulary(model.metadata("characters"))
    sampler = Sampler(int(seed))

    def read(token):
        (logits,) = session.run(np.array([[token]], np.int32)).values()
        return logits.ravel()

    for token in vocabulary.tokens(start):
        logits = read(token)
    for _ in range(int(length)):
        token = sampler.draw(logits, float(temperature))
        sys.stdout.buffer.write(vocabulary.bytes(token))
        sys.stdout.buffer.flush()
        logits = read(token)
    sys.stdout.buffer.write(b"\n")


if __name__ == "__main__":
    try:
        main()
    except (apus.ApusError, OSError, ValueError) as problem:
        sys.exit(f"generate: {problem}")
