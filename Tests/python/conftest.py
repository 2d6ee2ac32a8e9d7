"""pytest: finds or builds what the tests run, and says what it took and what it left out."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import locate  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--keep-models", type=Path, metavar="FOLDER",
        help="write the small models that tests open from memory there, for GuardTensors",
    )  # fmt: skip


def keep_models(folder: Path) -> None:
    import apus

    folder.mkdir(parents=True, exist_ok=True)
    from_bytes = apus.Model.from_bytes.__func__

    def keeping(cls, data, *arguments, **options):
        model = from_bytes(cls, data, *arguments, **options)
        content = bytes(data)
        if len(content) <= 1 << 18:
            (folder / f"{hashlib.sha1(content).hexdigest()}.apus").write_bytes(content)
        return model

    apus.Model.from_bytes = classmethod(keeping)


def pytest_configure(config: pytest.Config) -> None:
    try:
        locate.library(), locate.model_convert()
    except locate.NotBuilt as missing:
        print(f"{missing}; building it now", file=sys.stderr)
        try:
            locate.build()
        except Exception as problem:  # whatever stops the build is what the user must see
            raise pytest.UsageError(f"{missing} (building it here failed: {problem})") from None
    locate.prepare()
    if folder := config.getoption("--keep-models"):
        keep_models(folder)


def pytest_report_header(config: pytest.Config) -> list:
    import harness

    lines = [
        f"libapus: {locate.library()}",
        f"model-convert: {locate.model_convert()}",
        f"instruction sets: {' '.join(harness.ISAS)}",
    ]
    if harness.SKIPPED_ISAS:
        lines.append(
            f"NOT TESTED, this processor lacks them: {' '.join(harness.SKIPPED_ISAS)}"
        )
    return lines
