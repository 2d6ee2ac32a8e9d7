"""Networks for telephones: about a millisecond to some tens of them a run."""

from network import Network


def mobilenet_v1(batch: int = 1) -> Network:
    n = Network("MobileNet v1")
    x = n.conv(n.input("x", (batch, 3, 224, 224)), 32, 3, 2, "same", activation="relu6")
    widths = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    for i, channels in enumerate(widths):
        stride = 2 if i in (1, 3, 5, 11) else 1
        x = n.depthwise(x, 3, stride, padding="same", activation="relu6")
        x = n.conv(x, channels, 1, activation="relu6")
    return n.output(n.dense(n.global_average(x), 1000))


def mobilenet_v2(batch: int = 1) -> Network:
    n = Network("MobileNet v2")
    x = n.conv(n.input("x", (batch, 3, 224, 224)), 32, 3, 2, "same", activation="relu6")
    inner = 32
    blocks = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
              (6, 160, 3, 2), (6, 320, 1, 1)]  # fmt: skip
    for widening, channels, count, first in blocks:
        for i in range(count):
            by, stride = x, first if i == 0 else 1
            if widening > 1:
                x = n.conv(x, inner * widening, 1, activation="relu6")
            x = n.depthwise(x, 3, stride, padding="same", activation="relu6")
            x = n.conv(x, channels, 1, activation=None)
            if stride == 1 and inner == channels:
                x = n.add(x, by)
            inner = channels
    x = n.conv(x, 1280, 1, activation="relu6")
    return n.output(n.dense(n.global_average(x), 1000))


def squeezenet(batch: int = 1) -> Network:
    n = Network("SqueezeNet 1.1")

    def fire(x: str, squeezed: int, expanded: int) -> str:
        x = n.conv(x, squeezed, 1, normalized=False)
        return n.concat(
            n.conv(x, expanded, 1, normalized=False), n.conv(x, expanded, 3, normalized=False)
        )

    x = n.conv(n.input("x", (batch, 3, 224, 224)), 64, 3, 2, "valid", normalized=False)
    x = fire(fire(n.pool(x, 3, 2), 16, 64), 16, 64)
    x = fire(fire(n.pool(x, 3, 2), 32, 128), 32, 128)
    x = n.pool(x, 3, 2)
    for squeezed, expanded in ((48, 192), (48, 192), (64, 256), (64, 256)):
        x = fire(x, squeezed, expanded)
    return n.output(n.global_average(n.conv(x, 1000, 1, normalized=False)))


def yolo_tiny(batch: int = 1) -> Network:
    """YOLOv3-tiny: two grids of 255 numbers, without the boxes' decoding."""
    n = Network("YOLOv3-tiny")
    x = n.input("x", (batch, 3, 416, 416))
    for channels in (16, 32, 64, 128):
        x = n.pool(n.conv(x, channels, 3, activation="leaky"), 2, 2)
    middle = n.conv(x, 256, 3, activation="leaky")
    x = n.conv(n.pool(middle, 2, 2), 512, 3, activation="leaky")
    x = n.conv(n.pool(x, 2, 1, "same"), 1024, 3, activation="leaky")
    x = n.conv(x, 256, 1, activation="leaky")
    coarse = n.conv(
        n.conv(x, 512, 3, activation="leaky"), 255, 1, normalized=False, activation=None
    )
    x = n.concat(n.upsample(n.conv(x, 128, 1, activation="leaky")), middle)
    fine = n.conv(n.conv(x, 256, 3, activation="leaky"), 255, 1, normalized=False, activation=None)
    return n.output(coarse, fine)
