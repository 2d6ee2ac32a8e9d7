"""What trained systems keep in int8: each is quantised with `model-convert quantize`'s defaults on
200 samples of what it was trained on, and both files are measured in libapus on the test part.

    python tools/zoo/int8.py [RECIPE...] [--models FOLDER] [--train]

RECIPE is the name of a recipe whose data are samples or images with boxes; without one all are taken
whose model is there. FOLDER has RECIPE.apus (build/zoo by default); --train trains those that it has
not. Prints a table: accuracy, root mean square error or mAP@0.5, and the files' sizes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Tuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "bindings/python")]
import locate  # noqa: E402
from average_precision import average_precision  # noqa: E402
from harness import apus  # noqa: E402

CALIBRATION = 200
# Images that a detector is tested on.
MOST = 500


def tool(*arguments: object) -> str:
    command = [str(locate.model_convert()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:])}: {done.stderr.strip()}")
    return done.stdout


def trained(name: str, folder: Path, trains: bool) -> Path:
    """The recipe's model in the folder, trained first where it is missing and that is wanted."""
    model = folder / f"{name}.apus"
    if not model.exists():
        if not trains:
            raise RuntimeError(f"{model} is missing; --train makes it")
        folder.mkdir(parents=True, exist_ok=True)
        tool("train", ROOT / "recipes" / f"{name}.yaml", "-o", model, "--threads", 1)
    return model


def samples(recipe: Path, part: str, count: int, folder: Path) -> Dict[str, np.ndarray]:
    file = folder / f"{part}.npz"
    try:
        tool("samples", recipe, "--part", part, "-o", file)
    except RuntimeError as error:
        if part != "test" or "no test part" not in str(error):
            raise
        return samples(recipe, "validation", count, folder)
    arrays = dict(np.load(file))
    if "boxes" not in arrays:
        return arrays
    kept = arrays["images"] < count
    arrays = {k: v if k == "x" else v[kept] for k, v in arrays.items()}
    return {**arrays, "x": arrays["x"][:count]}


# ---- Figures ------------------------------------------------------------------------------------


def outputs(model: Path, x: np.ndarray) -> np.ndarray:
    """The first output for each sample, in batches of one."""
    with apus.Model(model) as net:
        name = net.inputs[0].name
        with net.session(shapes={name: (1, *x.shape[1:])}) as session:
            return np.concatenate([next(iter(session.run({name: s[None]}).values())).copy() for s in x])


def accuracy(model: Path, test: Dict[str, np.ndarray]) -> Tuple[float, str]:
    y = outputs(model, test["x"]).reshape(len(test["x"]), -1)
    found = y.argmax(1) if y.shape[1] > 1 else y[:, 0] > 0.5
    value = float((found == test["y"].reshape(-1)).mean())
    return value, f"{100 * value:.2f} %"


def error(model: Path, test: Dict[str, np.ndarray]) -> Tuple[float, str]:
    y = outputs(model, test["x"]).reshape(test["y"].shape)
    value = float(np.sqrt(((y - test["y"]) ** 2).mean()))
    return value, f"{value:.4g}"


def detection(model: Path, test: Dict[str, np.ndarray]) -> Tuple[float, str]:
    with apus.Model(model) as net, net.session(function="detect") as session:
        name = session.inputs[0].name
        runs = (session.run({name: image[None]}) for image in test["x"])
        found = [{k: v.copy() for k, v in run.items()} for run in runs]
    value = average_precision(found, test)
    return value, f"{value:.3f}"


# ---- The table ----------------------------------------------------------------------------------


def measure(name: str, model: Path, folder: Path) -> List[str]:
    recipe = ROOT / "recipes" / f"{name}.yaml"
    test = samples(recipe, "test", MOST, folder)
    training = samples(recipe, "training", CALIBRATION, folder)
    with apus.Model(model) as net:
        function = "detect" if "boxes" in test else None
        with net.session(function=function) as session:
            entry = session.inputs[0].name
    x = training["x"]
    np.save(folder / "x.npy", x[:: max(1, len(x) // CALIBRATION)][:CALIBRATION])
    int8 = folder / "int8.apus"
    tool(
        "quantize", model, "--calibrate", f"{entry}={folder / 'x.npy'}", "-o", int8,
        *(["--function", function] if function else []),
    )  # fmt: skip
    figure: Callable[[Path, Dict[str, np.ndarray]], Tuple[float, str]] = (
        detection if "boxes" in test
        else accuracy if np.issubdtype(test["y"].dtype, np.integer) else error
    )  # fmt: skip
    kind = {accuracy: "accuracy", error: "rmse", detection: "mAP@0.5"}[figure]
    sizes = [f"{p.stat().st_size / 1000:,.0f}" for p in (model, int8)]
    return [name, kind, figure(model, test)[1], figure(int8, test)[1], *sizes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--models", type=Path, default=ROOT / "build/zoo")
    parser.add_argument("--train", action="store_true")
    arguments = parser.parse_args()
    names = arguments.recipes or sorted(p.stem for p in arguments.models.glob("*.apus"))
    if not names:
        parser.error(f"{arguments.models}: there are no models; name recipes and give --train")
    print("| recipe | figure | float32 | int8 | float32 KB | int8 KB |\n|---|---|---|---|---|---|")
    failed = False
    for name in names:
        try:
            model = trained(name, arguments.models, arguments.train)
            with tempfile.TemporaryDirectory() as folder:
                print("| " + " | ".join(measure(name, model, Path(folder))) + " |", flush=True)
        except (RuntimeError, apus.ApusError) as problem:
            failed = True
            print(f"{name}: {problem}", file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
