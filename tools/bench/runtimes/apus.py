"""apus through its Python package's own way into the library: a run is the call from C."""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "build/python"))

import apus  # noqa: E402
import numpy as np  # noqa: E402
from apus._library import lib  # noqa: E402

VERSION = apus.version()


class Loaded:
    def __init__(self, folder, shapes, threads, file="model.apus", **options):
        self.model = apus.Model(folder / file)
        self.session = self.model.session(threads=threads, **options)
        self.handle = self.session._pointer
        self.run = partial(lib.apus_session_run, self.handle, None)

    def feed(self, inputs):
        self.inputs = [np.array(inputs[i.name], order="C") for i in self.session.inputs]
        for i, array in enumerate(self.inputs):
            status = lib.apus_session_bind_input(
                self.handle, i, array.ctypes.data, array.nbytes, None
            )
            assert status == 0

    def outputs(self):
        # The timed call does not look at its status: it is looked at here.
        assert self.run() == 0
        return self.session._read(self.handle)

    def memory(self):
        memory = self.session.memory
        return {"arena": memory.arena, "packed": memory.packed_weights}
