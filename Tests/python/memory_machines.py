"""A Neural Turing Machine and a Differentiable Neural Computer in NumPy, from the papers' equations."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def one_plus(x):
    return 1 + softplus(x)


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Machine:
    """What both have: weights by name, an LSTM controller (ONNX's gate order: i, o, f, c).

    Shown tokens where there is an embedding; says bits, or with `classes` that many answers side by side.
    """

    def __init__(self, weights, dtype=np.float64, classes=0):
        self.w = {name: np.asarray(value, dtype) for name, value in weights.items()}
        self.dtype = dtype
        self.classes = classes
        self.reset()

    def shown(self, x):
        table = self.w.get("embedding.weight")
        return x if table is None else table[int(x)]

    def say(self, h):
        logits = self.dense("output", np.concatenate([h, self.read]))
        if self.classes == 0:
            return sigmoid(logits)
        y = softmax(logits.reshape(self.classes, -1))
        return y if self.classes > 1 else y[0]

    def dense(self, name, x):
        return self.w[name + ".weight"] @ x + self.w[name + ".bias"]

    def control(self, x):
        w, r = self.w["controller.input_weight"][0], self.w["controller.recurrent_weight"][0]
        bias = self.w["controller.bias"][0].reshape(2, -1).sum(0)
        i, o, f, c = np.split(w @ x + r @ self.h + bias, 4)
        self.c = sigmoid(f) * self.c + sigmoid(i) * np.tanh(c)
        self.h = sigmoid(o) * np.tanh(self.c)
        return self.h

    def cosine(self, keys, memory):
        lengths = np.linalg.norm(keys, axis=1)[:, None] * np.linalg.norm(memory, axis=1)[None]
        return keys @ memory.T / (lengths + 1e-6)


class NTM(Machine):
    """Graves, Wayne, Danihelka 2014, equations 1 to 9."""

    def __init__(self, weights, *, locations, width, read_heads, write_heads, shifts, **kind):
        self.n, self.m, self.r, self.v, self.s = locations, width, read_heads, write_heads, shifts
        super().__init__(weights, **kind)

    def reset(self):
        hidden = self.w["controller.recurrent_weight"].shape[2]
        self.h, self.c = np.zeros(hidden, self.dtype), np.zeros(hidden, self.dtype)
        self.memory = np.full((self.n, self.m), 1e-6, self.dtype)
        self.weights = np.zeros((self.r + self.v, self.n), self.dtype)
        self.weights[:, 0] = 1
        self.read = np.zeros(self.r * self.m, self.dtype)

    def step(self, x):
        h = self.control(np.concatenate([self.shown(x), self.read]))
        p = self.dense("address", h).reshape(self.r + self.v, -1)
        for head in range(self.r + self.v):
            k, beta, g, shift, gamma = np.split(
                p[head], np.cumsum([self.m, 1, 1, self.s])
            )
            content = softmax(softplus(beta) * self.cosine(np.tanh(k)[None], self.memory)[0])
            gated = sigmoid(g) * content + (1 - sigmoid(g)) * self.weights[head]
            s = softmax(shift)
            moved = np.array(
                [
                    sum(s[j] * gated[(i - (j - self.s // 2)) % self.n] for j in range(self.s))
                    for i in range(self.n)
                ]
            )
            sharp = moved ** one_plus(gamma)
            self.weights[head] = sharp / (sharp.sum() + 1e-12)
        says = self.dense("write", h).reshape(self.v, 2 * self.m)
        writers = self.weights[self.r :]
        kept = np.ones_like(self.memory)
        for w, e in zip(writers, sigmoid(says[:, : self.m])):
            kept *= 1 - np.outer(w, e)
        self.memory = self.memory * kept + writers.T @ np.tanh(says[:, self.m :])
        self.read = (self.weights[: self.r] @ self.memory).ravel()
        return self.say(h)


class DNC(Machine):
    """Graves et al. 2016, Methods; allocation by sorting, as there, of usages to 1/1024."""

    def __init__(self, weights, *, locations, width, read_heads, **kind):
        self.n, self.m, self.r = locations, width, read_heads
        super().__init__(weights, **kind)

    def reset(self):
        hidden = self.w["controller.recurrent_weight"].shape[2]
        self.h, self.c = np.zeros(hidden, self.dtype), np.zeros(hidden, self.dtype)
        self.memory = np.full((self.n, self.m), 1e-6, self.dtype)
        self.usage = np.zeros(self.n, self.dtype)
        self.precedence = np.zeros(self.n, self.dtype)
        self.links = np.zeros((self.n, self.n), self.dtype)
        self.write_weights = np.zeros(self.n, self.dtype)
        self.read_weights = np.zeros((self.r, self.n), self.dtype)
        self.read = np.zeros(self.r * self.m, self.dtype)

    def step(self, x):
        r, m = self.r, self.m
        h = self.control(np.concatenate([self.shown(x), self.read]))
        sizes = [r * m, r, m, 1, m, m, r, 1, 1, 3 * r]
        k_r, b_r, k_w, b_w, erase, write, free, g_a, g_w, modes = np.split(
            self.dense("interface", h), np.cumsum(sizes)[:-1]
        )
        retention = np.prod(1 - sigmoid(free)[:, None] * self.read_weights, axis=0)
        self.usage = (
            self.usage + self.write_weights - self.usage * self.write_weights
        ) * retention
        order = np.argsort(np.round(self.usage * 1024), kind="stable")
        allocation = np.zeros(self.n, self.dtype)
        product = 1.0
        for i in order:
            allocation[i] = (1 - self.usage[i]) * product
            product *= self.usage[i]
        content = softmax(one_plus(b_w) * self.cosine(k_w[None], self.memory)[0])
        g_a, g_w = sigmoid(g_a), sigmoid(g_w)
        w = g_w * (g_a * allocation + (1 - g_a) * content)
        self.memory = self.memory * (1 - np.outer(w, sigmoid(erase))) + np.outer(w, write)
        self.links = (1 - w[:, None] - w[None]) * self.links + np.outer(w, self.precedence)
        np.fill_diagonal(self.links, 0)
        self.precedence = (1 - w.sum()) * self.precedence + w
        self.write_weights = w
        forward = self.read_weights @ self.links.T
        backward = self.read_weights @ self.links
        alike = softmax(
            one_plus(b_r)[:, None] * self.cosine(k_r.reshape(r, m), self.memory)
        )
        pi = softmax(modes.reshape(r, 3))
        self.read_weights = pi[:, :1] * backward + pi[:, 1:2] * alike + pi[:, 2:] * forward
        self.read = (self.read_weights @ self.memory).ravel()
        return self.say(h)
