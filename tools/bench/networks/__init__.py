"""The networks that `make bench` runs, by the names that `--models` takes."""

from typing import Callable, Dict

from network import Network
from networks import large, mobile, ntm, recurrent, small


def _batch8(make: Callable[..., Network]) -> Callable[[], Network]:
    return lambda: make(8)


CATALOGUE: Dict[str, Callable[[], Network]] = {
    "lenet": small.lenet,
    "ds-cnn": small.ds_cnn,
    "conv1d": small.conv1d_keywords,
    "mobilenet-v1": mobile.mobilenet_v1,
    "mobilenet-v2": mobile.mobilenet_v2,
    "squeezenet": mobile.squeezenet,
    "yolo-tiny": mobile.yolo_tiny,
    "resnet-18": large.resnet18,
    "resnet-50": large.resnet50,
    "vgg-16": large.vgg16_features,
    "googlenet": large.googlenet,
    "densenet-121": large.densenet121,
    "xception": large.xception,
    "conv3d": large.conv3d,
    "char-rnn": recurrent.char_rnn_step,
    "rnn-128": recurrent.sequence("RNN", 128),
    "lstm-128": recurrent.sequence("LSTM", 128),
    "gru-128": recurrent.sequence("GRU", 128),
    "rnn-512": recurrent.sequence("RNN", 512),
    "lstm-512": recurrent.sequence("LSTM", 512),
    "gru-512": recurrent.sequence("GRU", 512),
    "bilstm": recurrent.bidirectional_lstm,
    "speech": recurrent.speech,
    "ntm": ntm.ntm_step,
    "lenet-b8": _batch8(small.lenet),
    "mobilenet-v2-b8": _batch8(mobile.mobilenet_v2),
    "resnet-18-b8": _batch8(large.resnet18),
}

# Those that are measured in int8 too.
QUANTIZED = (
    "lenet", "ds-cnn", "mobilenet-v1", "mobilenet-v2", "squeezenet", "yolo-tiny", "resnet-18",
    "resnet-50", "vgg-16", "googlenet", "densenet-121", "xception", "lstm-512", "gru-512",
)  # fmt: skip
# Random inputs that their ranges are taken from.
SAMPLES = 4
