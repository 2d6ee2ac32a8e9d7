"""MNN through its module interface; the session interface gives wrong numbers for some networks."""

from functools import partial

import MNN
import MNN.expr
import MNN.nn
import numpy as np

VERSION = MNN.version()


class Loaded:
    def __init__(self, folder, shapes, threads):
        settings = {"backend": "CPU", "precision": "high", "numThread": threads}
        self.manager = MNN.nn.create_runtime_manager((settings,))
        self.shapes = shapes
        self.inputs_and_outputs = [(folder / n).read_text().split() for n in ("inputs", "outputs")]
        self.module = MNN.nn.load_module_from_file(
            str(folder / "model.mnn"), *self.inputs_and_outputs,
            runtime_manager=self.manager, shape_mutable=False,
        )  # fmt: skip

    def feed(self, inputs):
        self.inputs = []
        for name in self.inputs_and_outputs[0]:
            array = inputs[name]
            variable = MNN.expr.placeholder(list(array.shape), MNN.expr.NCHW, MNN.expr.float)
            variable.write(array)
            self.inputs.append(variable)
        self.run = partial(self.module.onForward, self.inputs)

    def outputs(self):
        made = {}
        for name, variable in zip(self.inputs_and_outputs[1], self.run()):
            array = MNN.expr.convert(variable, MNN.expr.NCHW).read()
            made[name] = np.array(array, copy=True).reshape(self.shapes[name])
        return made
