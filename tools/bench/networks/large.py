"""Networks for images and video: tens to hundreds of milliseconds a run."""

from network import Network


def resnet18(batch: int = 1) -> Network:
    n = Network("ResNet-18")
    x = _resnet_stem(n, batch)
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            by = n.conv(x, channels, 1, stride, activation=None) if stride == 2 else x
            x = n.conv(x, channels, 3, stride)
            x = n.add(n.conv(x, channels, 3, activation=None), by, "relu")
    return n.output(n.dense(n.global_average(x), 1000))


def resnet50(batch: int = 1) -> Network:
    n = Network("ResNet-50")
    x = _resnet_stem(n, batch)
    for stage, (channels, count) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(count):
            stride = 2 if stage and not block else 1
            by = x if block else n.conv(x, 4 * channels, 1, stride, activation=None)
            x = n.conv(n.conv(x, channels, 1), channels, 3, stride)
            x = n.add(n.conv(x, 4 * channels, 1, activation=None), by, "relu")
    return n.output(n.dense(n.global_average(x), 1000))


def _resnet_stem(n: Network, batch: int) -> str:
    x = n.conv(n.input("x", (batch, 3, 224, 224)), 64, 7, 2)
    return n.pool(x, 3, 2, "half")


def vgg16_features(batch: int = 1) -> Network:
    n = Network("VGG-16 features")
    x = n.input("x", (batch, 3, 224, 224))
    for channels, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = n.conv(x, channels, 3, normalized=False)
        x = n.pool(x, 2, 2)
    return n.output(x)


def googlenet(batch: int = 1) -> Network:
    """As torchvision has it: normalised, 3x3 in place of 5x5, no auxiliary outputs."""
    n = Network("GoogLeNet")

    def inception(
        x: str, one: int, three_in: int, three: int, five_in: int, five: int, by: int
    ) -> str:
        return n.concat(
            n.conv(x, one, 1),
            n.conv(n.conv(x, three_in, 1), three, 3),
            n.conv(n.conv(x, five_in, 1), five, 3),
            n.conv(n.pool(x, 3, 1, "half"), by, 1),
        )

    x = n.conv(n.input("x", (batch, 3, 224, 224)), 64, 7, 2)
    x = n.conv(n.conv(n.pool(x, 3, 2, "same"), 64, 1), 192, 3)
    x = n.pool(x, 3, 2, "same")
    x = inception(x, 64, 96, 128, 16, 32, 32)
    x = inception(x, 128, 128, 192, 32, 96, 64)
    x = n.pool(x, 3, 2, "same")
    x = inception(x, 192, 96, 208, 16, 48, 64)
    x = inception(x, 160, 112, 224, 24, 64, 64)
    x = inception(x, 128, 128, 256, 24, 64, 64)
    x = inception(x, 112, 144, 288, 32, 64, 64)
    x = inception(x, 256, 160, 320, 32, 128, 128)
    x = n.pool(x, 2, 2)
    x = inception(x, 256, 160, 320, 32, 128, 128)
    x = inception(x, 384, 192, 384, 48, 128, 128)
    return n.output(n.dense(n.global_average(x), 1000))


def densenet121(batch: int = 1) -> Network:
    n = Network("DenseNet-121")
    x = n.conv(n.input("x", (batch, 3, 224, 224)), 64, 7, 2)
    x = n.pool(x, 3, 2, "half")
    for stage, count in enumerate((6, 12, 24, 16)):
        if stage:
            x = n.conv(n.batch_norm(x), n.shapes[x][1] // 2, 1, normalized=False, activation=None)
            x = n.pool(x, 2, 2, kind="average")
        for _ in range(count):
            new = n.conv(n.batch_norm(x), 128, 1)
            x = n.concat(x, n.conv(new, 32, 3, normalized=False, activation=None))
    return n.output(n.dense(n.global_average(n.batch_norm(x)), 1000))


def xception(batch: int = 1) -> Network:
    n = Network("Xception")

    def separable(x: str, channels: int, activation=None) -> str:
        x = n.depthwise(x, 3, normalized=False, activation=None)
        return n.conv(x, channels, 1, activation=activation)

    x = n.conv(n.input("x", (batch, 3, 299, 299)), 32, 3, 2, "valid")
    x = n.conv(x, 64, 3, padding="valid")
    for channels in (128, 256, 728):
        by = n.conv(x, channels, 1, 2, "valid", activation=None)
        if channels > 128:
            x = n.activation(x, "relu")
        x = separable(separable(x, channels, "relu"), channels)
        x = n.add(n.pool(x, 3, 2, "same"), by)
    for _ in range(8):
        y = n.activation(x, "relu")
        x = n.add(separable(separable(separable(y, 728, "relu"), 728, "relu"), 728), x)
    by = n.conv(x, 1024, 1, 2, "valid", activation=None)
    y = separable(separable(n.activation(x, "relu"), 728, "relu"), 1024)
    x = n.add(n.pool(y, 3, 2, "same"), by)
    x = separable(separable(x, 1536, "relu"), 2048, "relu")
    return n.output(n.dense(n.global_average(x), 1000))


def conv3d(batch: int = 1) -> Network:
    """After C3D (Tran et al. 2015), a quarter as wide, at half the size: 16 frames of 56 x 56."""
    n = Network("3-D conv net")
    x = n.input("x", (batch, 3, 16, 56, 56))
    x = n.pool(n.conv(x, 16, 3), (1, 2, 2), (1, 2, 2))
    for channels, count in ((32, 1), (64, 2), (128, 2)):
        for _ in range(count):
            x = n.conv(x, channels, 3)
        x = n.pool(x, 2, 2)
    return n.output(n.dense(n.dense(n.flatten(x), 512, "relu"), 101))
