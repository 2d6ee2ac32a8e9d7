"""Recurrent networks: sequences from a zero state, and a step whose state is passed on."""

from network import Network


def char_rnn_step(batch: int = 1) -> Network:
    """Karpathy's: two LSTM layers of 512, one character of 65 in, the next one's logits out."""
    n = Network("char-rnn step, 512")
    x = n.input("x", (1, batch, 65))
    for layer in "01":
        state = [n.input(part + layer, (1, batch, 512)) for part in "hc"]
        x = n.recurrent("LSTM", x, 512, state=state)
    return n.output(n.dense(x, 65))


def sequence(cell: str, hidden: int):
    """Two layers over 100 steps."""

    def make(batch: int = 1) -> Network:
        n = Network(f"{cell} {hidden}, 100 steps")
        x = n.input("x", (100, batch, hidden))
        return n.output(n.recurrent(cell, n.recurrent(cell, x, hidden), hidden))

    return make


def bidirectional_lstm(batch: int = 1) -> Network:
    n = Network("bidirectional LSTM 128")
    x = n.input("x", (100, batch, 64))
    for _ in range(2):
        x = n.recurrent("LSTM", x, 128, bidirectional=True)
    return n.output(n.dense(x, 32))


def speech(batch: int = 1) -> Network:
    """Three seconds of 80 mel bands, halved by a convolution, to characters."""
    n = Network("conv + LSTM speech net")
    x = n.conv(n.input("x", (batch, 80, 300)), 256, 11, 2, "same")
    x = n.steps(n.conv(x, 256, 11, 1, "same"))
    for _ in range(2):
        x = n.recurrent("LSTM", x, 256)
    return n.output(n.softmax(n.dense(x, 29)))
