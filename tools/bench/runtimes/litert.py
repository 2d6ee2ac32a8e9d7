"""LiteRT (TensorFlow Lite) with XNNPACK, its default on processors; inputs lie in its tensors."""

import json
from importlib.metadata import version

import numpy as np
from ai_edge_litert.interpreter import Interpreter

VERSION = version("ai-edge-litert")


class Loaded:
    def __init__(self, folder, shapes, threads):
        self.interpreter = Interpreter(str(folder / "model.tflite"), num_threads=threads)
        self.interpreter.allocate_tensors()
        self.layout = json.loads((folder / "tflite.json").read_text())
        self.shapes = shapes

    def feed(self, inputs):
        tensors = {d["name"]: d["index"] for d in self.interpreter.get_input_details()}
        for name, array in inputs.items():
            there = self.layout[name]
            value = np.transpose(array, there["order"]).reshape(there["shape"])
            self.interpreter.set_tensor(tensors[name], np.ascontiguousarray(value))
        self.run = self.interpreter.invoke

    def outputs(self):
        made = {}
        for detail, name in zip(self.interpreter.get_output_details(), self.layout["outputs"]):
            order, shape = self.layout[name]["order"], self.shapes[name]
            array = self.interpreter.get_tensor(detail["index"])
            made[name] = array.reshape([shape[i] for i in order]).transpose(np.argsort(order))
        return made
