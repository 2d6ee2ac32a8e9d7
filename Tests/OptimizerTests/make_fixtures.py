"""Writes the fixtures of OptimizerTests: published update formulas in NumPy's float64.

    python Tests/OptimizerTests/make_fixtures.py

The formulas are those of the papers named at each optimiser in Sources/Training/Optimizers and of
PyTorch's documentation (torch.optim), written here once more and not from the Swift code.
"""
import math
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "Fixtures"
STEPS, SIZE = 12, 7


def sgd(w, g, t, s, lr):
    return w - lr * g


def momentum(mu, nesterov):
    def rule(w, g, t, s, lr):
        s["v"] = g if t == 1 else mu * s["v"] + g
        return w - lr * (g + mu * s["v"] if nesterov else s["v"])

    return rule


def rmsprop(alpha, eps, mu):
    def rule(w, g, t, s, lr):
        s["v"] = alpha * s.get("v", 0.0) + (1 - alpha) * g**2
        step = g / (np.sqrt(s["v"]) + eps)
        if mu == 0:
            return w - lr * step
        s["b"] = mu * s.get("b", 0.0) + step
        return w - lr * s["b"]

    return rule


def adam(b1, b2, eps, decay):
    def rule(w, g, t, s, lr):
        w = w - lr * decay * w
        s["m"] = b1 * s.get("m", 0.0) + (1 - b1) * g
        s["v"] = b2 * s.get("v", 0.0) + (1 - b2) * g**2
        m_hat, v_hat = s["m"] / (1 - b1**t), s["v"] / (1 - b2**t)
        return w - lr * m_hat / (np.sqrt(v_hat) + eps)

    return rule


RULES = {
    "sgd": sgd,
    "momentum": momentum(0.9, False),
    "nesterov": momentum(0.8, True),
    "rmsprop": rmsprop(0.9, 1e-6, 0.0),
    "rmsprop-momentum": rmsprop(0.99, 1e-8, 0.5),
    "adam": adam(0.9, 0.999, 1e-8, 0.0),
    "adam-other": adam(0.5, 0.9, 1e-3, 0.0),
    "adamw": adam(0.9, 0.999, 1e-8, 0.1),
}


def schedules(base=0.1, epochs=5, updates=8):
    total = epochs * updates
    s = np.arange(total)
    e = s // updates
    half = lambda a, b, t: a + (b - a) * (1 - math.cos(math.pi * t)) / 2
    top = 0.3 * total - 1
    cycle = [
        half(base / 25, base, k / top) if k <= top
        else half(base, base / 25 / 1e4, (k - top) / (total - 1 - top))
        for k in s
    ]
    return {
        "constant": np.full(total, base),
        "step": base * 0.5 ** (e // 2),
        "exponential": base * 0.9**e,
        "cosine": 0.01 * base + (base - 0.01 * base) * (1 + np.cos(np.pi * s / total)) / 2,
        "one-cycle": np.array(cycle),
        "warm-up": base * np.minimum(1, (s + 1) / 10),
    }


def plateau(losses, base=0.1, factor=0.5, patience=1, threshold=0.01, floor=0.02):
    """PyTorch's ReduceLROnPlateau, mode "min", threshold_mode "rel", cooldown 0."""
    best, bad, lr, rates = math.inf, 0, base, []
    for loss in losses:
        rates.append(lr)
        if loss < best * (1 - threshold):
            best, bad = loss, 0
        else:
            bad += 1
        if bad > patience:
            lr, bad = max(lr * factor, floor), 0
    return np.array(rates)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(1)
    start = random.normal(size=SIZE)
    gradients = random.normal(size=(STEPS, SIZE)) * 10.0 ** random.integers(-4, 2, size=SIZE)
    start, gradients = start.astype("f4"), gradients.astype("f4")
    arrays = {"start": start, "gradients": gradients}
    for name, rule in RULES.items():
        w, state, trace = start.astype(float), {}, []
        for t in range(1, STEPS + 1):
            # The rate varies, as under a schedule.
            w = rule(w, gradients[t - 1].astype(float), t, state, 0.01 / math.sqrt(t))
            trace.append(w)
        arrays[name] = np.array(trace)
    np.savez(FOLDER / "optimizers.npz", **arrays)
    losses = np.array([1, 0.9, 0.895, 0.9, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.1, 0.2, 0.2])
    np.savez(FOLDER / "schedules.npz", losses=losses, plateau=plateau(losses), **schedules())


if __name__ == "__main__":
    main()
