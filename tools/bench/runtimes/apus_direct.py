"""As apus_float, without Winograd's transforms: the multiplications that int8 does."""

from runtimes import apus_float

VERSION = apus_float.VERSION


class Loaded(apus_float.Loaded):
    def __init__(self, folder, shapes, threads):
        super().__init__(folder, shapes, threads, winograd=False)
