"""Not a runtime: the processor's peak of multiply-adds, timed in turn with the runtimes."""

import ctypes
import json

VERSION = ""
KERNELS = {"float32": "fma_peak", "int8": "vnni_peak"}


class Loaded:
    def __init__(self, folder, shapes, threads):
        name = KERNELS[json.loads((folder / "network.json").read_text())["precision"]]
        library = ctypes.CDLL(str(folder.parent / f"{name}.so"))
        count = getattr(library, f"{name}_operations")
        count.restype = ctypes.c_double
        self.operations = count()
        self.run = getattr(library, name)

    def feed(self, inputs):
        pass

    def outputs(self):
        return {}

    def memory(self):
        return {"operations": self.operations}
