"""Writes the fixtures of NumPyFileTests with NumPy and Python's zipfile.

    python Tests/NumPyFileTests/make_fixtures.py

The array `a` of every type holds what `values(dtype)` gives; the test computes the same numbers.
"""
import io
import pathlib
import struct
import zipfile

import numpy as np
from numpy.lib import format as npy

FOLDER = pathlib.Path(__file__).parent / "Fixtures"
TYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]


def values(dtype: str) -> np.ndarray:
    """k = 0 ... 23 as (2, 3, 4): k % 2 for bool, k - 5 for signed, 10 k for unsigned, k / 4 - 3."""
    k = np.arange(24).reshape(2, 3, 4)
    kind = np.dtype(dtype).kind
    number = {"b": k % 2, "i": k - 5, "u": 10 * k, "f": k / 4 - 3}[kind]
    return number.astype(dtype)


def save(name: str, array: np.ndarray, version=None) -> None:
    with open(FOLDER / name, "wb") as file:
        npy.write_array(file, array, version=version, allow_pickle=True)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for dtype in TYPES:
        name = np.dtype(dtype).name
        save(f"{name}.npy", values(dtype))
        save(f"{name}-big-fortran.npy", np.asfortranarray(values(dtype).astype(">" + dtype)))
    save("version2.npy", values("f4"), (2, 0))
    save("version3.npy", values("f4"), (3, 0))
    save("scalar.npy", np.array(2.5))
    save("vector.npy", np.arange(3, dtype="i4"))
    save("empty.npy", np.zeros((3, 0, 2), "f4"))
    save("limits.npy", np.array([2**64 - 1, 2**63, 0], "u8"))
    save("special.npy", np.array([np.nan, np.inf, -np.inf, -0.0, 65504, 6e-8], "f2"))
    # What must be refused.
    save("complex.npy", np.zeros(2, "c8"))
    save("text.npy", np.array(["ab", "c"]))
    save("object.npy", np.array([None, {}], dtype=object))
    save("structured.npy", np.zeros(2, [("x", "f4"), ("y", "i2")]))

    arrays = {"x": values("f4"), "labels": np.arange(7), "flag": np.array(True)}
    np.savez(FOLDER / "stored.npz", **arrays)
    np.savez_compressed(FOLDER / "deflated.npz", **arrays)
    (FOLDER / "zip64.npz").write_bytes(zip64("x.npy", arrays["x"]))
    with zipfile.ZipFile(FOLDER / "mixed.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("readme.txt", "no array")
        file.writestr("x.npy", as_npy(arrays["x"]))
        file.comment = b"a comment"
    with zipfile.ZipFile(FOLDER / "bzip2.npz", "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("x.npy", as_npy(arrays["x"]))


def as_npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zip64(name: str, array: np.ndarray) -> bytes:
    """A zip file in which every size and offset stands in ZIP64's places (APPNOTE.TXT 4.3.14,
    4.3.15, 4.5.3), as writers do for large files."""
    data, name = as_npy(array), name.encode()
    import zlib

    crc, ones = zlib.crc32(data), 0xFFFFFFFF
    local_extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
    common = struct.pack("<HHHHHIIIH", 45, 0, 0, 0, 33, crc, ones, ones, len(name))
    local = b"PK\3\4" + common + struct.pack("<H", len(local_extra)) + name + local_extra
    prefix = b"\0" * 16  # so that the header's offset is not 0
    extra = struct.pack("<HHHHQQQ", 0x7777, 0, 1, 24, len(data), len(data), len(prefix))
    entry = b"PK\1\2" + struct.pack("<H", 45) + common
    entry += struct.pack("<HHHHII", len(extra), 0, 0, 0, 0, ones) + name + extra
    start = len(prefix) + len(local) + len(data)
    end64 = b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, len(entry), start)
    locator = b"PK\6\7" + struct.pack("<IQI", 0, start + len(entry), 1)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, ones, ones, 0)
    result = prefix + local + data + entry + end64 + locator + end
    assert zipfile.ZipFile(io.BytesIO(result)).read("x.npy") == data
    return result


if __name__ == "__main__":
    main()
