"""ncnn: an extractor for each run, which is its way."""

import ncnn
import numpy as np

VERSION = ncnn.__version__


class Loaded:
    def __init__(self, folder, shapes, threads):
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = threads
        options.use_vulkan_compute = False
        # Full float32, as every runtime here, but for what the file has in int8.
        for name in dir(options):
            if name.startswith(("use_fp16", "use_bf16")):
                setattr(options, name, False)
        assert self.net.load_param(str(folder / "model.param")) == 0
        assert self.net.load_model(str(folder / "model.bin")) == 0
        self.shapes = shapes
        self.names = self.net.output_names()

    def feed(self, inputs):
        # Without the batch, which ncnn does not have; a sequence has it second.
        self.arrays = {
            n: np.ascontiguousarray(np.squeeze(a, axis=_batch(a))) for n, a in inputs.items()
        }
        self.inputs = [(n, ncnn.Mat(a)) for n, a in self.arrays.items()]

    def run(self):
        extractor = self.net.create_extractor()
        for name, mat in self.inputs:
            extractor.input(name, mat)
        self.last = [extractor.extract(name)[1] for name in self.names]

    def outputs(self):
        return {n: np.array(m).reshape(self.shapes[n]) for n, m in zip(self.names, self.last)}


def _batch(array):
    return 1 if array.ndim == 3 and array.shape[0] != 1 else 0
