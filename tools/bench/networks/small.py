"""Digits and spoken words: microseconds a run."""

from network import Network


def lenet(batch: int = 1) -> Network:
    n = Network("LeNet-5")
    x = n.input("x", (batch, 1, 28, 28))
    x = n.conv(x, 6, 5, normalized=False)
    x = n.pool(x, 2, 2)
    x = n.conv(x, 16, 5, padding="valid", normalized=False)
    x = n.flatten(n.pool(x, 2, 2))
    x = n.dense(x, 120, "relu")
    x = n.dense(x, 84, "relu")
    return n.output(n.softmax(n.dense(x, 10)))


def ds_cnn(batch: int = 1) -> Network:
    """Zhang et al. 2017, the small one: 49 frames of 10 coefficients, 12 words."""
    n = Network("DS-CNN")
    x = n.conv(n.input("x", (batch, 1, 49, 10)), 64, (10, 4), 2, "same")
    for _ in range(4):
        x = n.depthwise(x, 3, padding="same")
        x = n.conv(x, 64, 1)
    return n.output(n.softmax(n.dense(n.global_average(x), 12)))


def conv1d_keywords(batch: int = 1) -> Network:
    """Choi et al. 2019, TC-ResNet8: 98 frames whose 40 coefficients are the channels."""
    n = Network("TC-ResNet8")
    x = n.conv(
        n.input("x", (batch, 40, 98)), 16, 3, padding="same", activation=None, normalized=False
    )
    for channels in (24, 32, 48):
        by = n.conv(x, channels, 1, 2)
        x = n.conv(x, channels, 9, 2, "same")
        x = n.conv(x, channels, 9, 1, "same", activation=None)
        x = n.add(x, by, "relu")
    return n.output(n.softmax(n.dense(n.global_average(x), 12)))
