"""apus with the float32 network that an int8 one was made of, timed in turn with it."""

from runtimes import apus

VERSION = apus.VERSION


class Loaded(apus.Loaded):
    def __init__(self, folder, shapes, threads, **options):
        super().__init__(folder, shapes, threads, "float.apus", **options)
