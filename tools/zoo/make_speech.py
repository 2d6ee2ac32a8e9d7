"""Makes data/speech: words spoken by espeak-ng in many voices.

    apt-get install espeak-ng; python tools/zoo/make_speech.py    (numpy, scipy)

For each voice VOICE.wav, 8,000 samples of 8 bits a second, and VOICE.wrd, which says for each word where
it stands: "first-sample last-sample word", as in TIMIT. What espeak-ng says is free to use: its licence
is about the program (https://github.com/espeak-ng/espeak-ng).
"""

from __future__ import annotations

import subprocess
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

RATE = 8000
WORDS = "zero one two three four five six seven eight nine yes no".split()
# Accents and variants of espeak-ng with a pitch. Those of TEST are held out by the recipe.
TRAIN = {
    "amy": ("en-us+f2", 55), "ben": ("en-gb+m1", 45), "cleo": ("en-gb+f1", 60),
    "dan": ("en-us+m2", 35), "eve": ("en-gb-x-rp+f3", 50), "finn": ("en-gb-scotland+m3", 40),
    "gwen": ("en-us+f4", 65), "hugo": ("en-gb-x-gbclan+m4", 50), "iris": ("en-029+f2", 45),
    "jack": ("en-gb-x-gbcwmd+m5", 55), "kate": ("en-gb-scotland+f1", 52), "liam": ("en-us+m7", 30),
    "mona": ("en-us+f1", 40), "noah": ("en-gb-x-rp+m2", 60),
}  # fmt: skip
TEST = {
    "olga": ("en-gb+f5", 48), "pete": ("en-us+m6", 42), "rosa": ("en-gb-x-gbclan+Annie", 58),
    "sam": ("en-us+Andy", 50),
}  # fmt: skip
SPEEDS = [160, 220]  # words a minute


def say(word: str, voice: str, pitch: int, speed: int) -> np.ndarray:
    """The word without the silence around it, at RATE, at most 1."""
    sound = subprocess.run(
        ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    with wave.open(BytesIO(sound)) as file:
        rate, x = file.getframerate(), np.frombuffer(file.readframes(1 << 24), np.int16) / 32768.0
    x = resample_poly(x, RATE, rate)
    # What is within 40 dB of the loudest 10 ms, and 10 ms on either side.
    frame = RATE // 100
    power = (x[: len(x) // frame * frame].reshape(-1, frame) ** 2).mean(1)
    loud = np.flatnonzero(power > power.max() * 1e-4)
    x = x[max(0, (loud[0] - 1) * frame) : (loud[-1] + 2) * frame]
    return x / np.abs(x).max()


def main() -> None:
    folder = Path(__file__).resolve().parents[2] / "data" / "speech"
    folder.mkdir(exist_ok=True)
    for name, (voice, pitch) in (TRAIN | TEST).items():
        parts, lines, at = [], [], 0
        for speed in SPEEDS:
            for word in WORDS:
                x = say(word, voice, pitch, speed)
                parts.append(x)
                lines.append(f"{at} {at + len(x)} {word}\n")
                at += len(x)
        numbers = np.clip(np.round(127 * np.concatenate(parts)) + 128, 0, 255).astype(np.uint8)
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(1)
            file.setframerate(RATE)
            file.writeframes(numbers.tobytes())
        (folder / f"{name}.wrd").write_text("".join(lines))


if __name__ == "__main__":
    main()
