"""pytest: finds or builds what the tests run, and says what it took and what it left out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import locate  # noqa: E402


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
