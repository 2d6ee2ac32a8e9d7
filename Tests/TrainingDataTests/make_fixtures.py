"""Writes the fixtures of TrainingDataTests with NumPy, Pillow and Python's gzip and wave.

    pip install numpy pillow && python Tests/TrainingDataTests/make_fixtures.py

Each expected result is written beside its input, as .npy.
"""
import gzip
import pathlib
import struct
import wave

import numpy as np
from PIL import Image

FOLDER = pathlib.Path(__file__).parent / "Fixtures"


def picture(height: int, width: int) -> np.ndarray:
    """Smooth colours with some structure: (height, width, 3) of bytes."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = [np.sin(x / 3) * np.cos(y / 4), np.cos((x + y) / 5), np.sin(x * y / 60)]
    return np.round(127.5 + 127.5 * np.stack(planes, -1)).astype(np.uint8)


def idx(array: np.ndarray, code: int) -> bytes:
    head = struct.pack(">BBBB", 0, 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_files() -> None:
    images = (np.arange(3 * 5 * 4) * 7 % 256).astype(np.uint8).reshape(3, 5, 4)
    labels = np.array([2, 0, 1], np.uint8)
    (FOLDER / "images-idx3-ubyte").write_bytes(idx(images, 8))
    (FOLDER / "labels-idx1-ubyte").write_bytes(idx(labels, 8))
    (FOLDER / "images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images, 8), mtime=0))
    (FOLDER / "labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels, 8), mtime=0))
    for name, code, dtype in [("short", 11, "i2"), ("int", 12, "i4"), ("float", 13, "f4"), ("double", 14, "f8")]:
        values = (np.arange(6).reshape(3, 2) - 2.0) * (1 if dtype[0] == "i" else 0.25)
        (FOLDER / f"{name}-idx2").write_bytes(idx(values.astype(dtype), code))


def cifar_files() -> None:
    folder = FOLDER / "cifar"
    folder.mkdir(exist_ok=True)
    for batch in (1, 2):
        records = b""
        for record in range(2):
            pixels = (np.arange(3072) * (batch + record) % 251).astype(np.uint8)
            records += bytes([3 * batch + record]) + pixels.tobytes()
        (folder / f"data_batch_{batch}.bin").write_bytes(records)
    (folder / "test_batch.bin").write_bytes(bytes([9]) + bytes(3072))



def images() -> None:
    folder = FOLDER / "images"
    for name, size in [("cats", (12, 10)), ("dogs", (9, 14))]:
        (folder / name).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(picture(*size))
        image.save(folder / name / "a.png")
        image.save(folder / name / "b.JPG", "JPEG", quality=90)
        image.convert("L").save(folder / name / "c.jpeg", quality=90)
    base = picture(12, 10)
    kinds = FOLDER / "png"
    kinds.mkdir(exist_ok=True)
    rgb = Image.fromarray(base)
    alpha = np.concatenate([base, base[..., :1] // 2], -1)
    kinds_of = {
        "rgb": rgb, "grey": rgb.convert("L"), "palette": rgb.quantize(16), "alpha": Image.fromarray(alpha),
        "bits": rgb.convert("1"), "grey16": Image.fromarray(base[..., 0].astype(np.uint16) * 257),
    }
    for name, image in kinds_of.items():
        image.save(kinds / f"{name}.png")
        if name == "grey16":
            pixels = base[..., :1]
        elif name == "bits":
            pixels = np.asarray(image.convert("L"))[..., None]
        elif image.mode == "L":
            pixels = np.asarray(image)[..., None]
        else:
            pixels = np.asarray(image.convert("RGB"))
        np.save(FOLDER / f"png-{name}.npy", pixels)
    for name, quality in [("rgb", 95), ("grey", 60)]:
        kinds_of[name].save(FOLDER / f"jpeg-{name}.jpg", quality=quality, progressive=name == "grey")
        pixels = np.asarray(Image.open(FOLDER / f"jpeg-{name}.jpg"))
        np.save(FOLDER / f"jpeg-{name}.npy", pixels.reshape(12, 10, -1))
    rgb.convert("CMYK").save(FOLDER / "cmyk.jpg")


def resized() -> None:
    """Pillow on 32-bit floats: no rounding in between."""
    x = picture(12, 10)[..., 0].astype(np.float32)
    np.save(FOLDER / "resize-12x10.npy", x)
    for height, width in [(24, 20), (5, 7), (32, 3), (12, 10), (1, 1)]:
        y = Image.fromarray(x).resize((width, height), Image.Resampling.BILINEAR)
        np.save(FOLDER / f"resize-{height}x{width}.npy", np.asarray(y))


def sounds() -> None:
    t = np.arange(50)
    left, right = np.sin(t / 5), 0.5 * np.cos(t / 3)
    stereo = np.stack([left, right], -1)
    for width in (1, 2, 3, 4):
        half = 2 ** (8 * width - 1)
        numbers = np.clip(np.round(stereo * half), -half, half - 1).astype(np.int64)
        np.save(FOLDER / f"wav-{8 * width}.npy", (numbers / half).mean(-1))
        with wave.open(str(FOLDER / f"wav-{8 * width}.wav"), "wb") as file:
            file.setparams((2, width, 8000, 0, "NONE", ""))
            stored = numbers + 128 if width == 1 else numbers
            file.writeframes(b"".join(
                int(v).to_bytes(width, "little", signed=width > 1) for v in stored.ravel()))
    from scipy.io import wavfile

    wavfile.write(FOLDER / "wav-float.wav", 16000, left.astype(np.float32))
    np.save(FOLDER / "wav-float.npy", left.astype(np.float32))
    for number, name in enumerate(["no", "yes"]):
        (FOLDER / "sounds" / name).mkdir(parents=True, exist_ok=True)
        wavfile.write(
            FOLDER / "sounds" / name / "a.wav", 8000, (left[: 30 + 15 * number] * 32767).astype(np.int16))


def arrays() -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    np.savez(FOLDER / "classes.npz", x=x, y=np.array([1, 0, 2, 1]))
    np.savez_compressed(FOLDER / "values.npz", x=x.astype(np.uint8), y=x[:, :, 0] / 3)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for write in (idx_files, cifar_files, images, resized, sounds, arrays):
        write()


if __name__ == "__main__":
    main()
