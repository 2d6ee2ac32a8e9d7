"""Not a runtime: the processor's peak of fused multiply-adds, timed in turn with the runtimes."""

import ctypes

VERSION = ""


class Loaded:
    def __init__(self, folder, shapes, threads):
        library = ctypes.CDLL(str(folder.parent / "fma_peak.so"))
        library.fma_peak_operations.restype = ctypes.c_double
        self.operations = library.fma_peak_operations()
        self.run = library.fma_peak

    def feed(self, inputs):
        pass

    def outputs(self):
        return {}

    def memory(self):
        return {"operations": self.operations}
