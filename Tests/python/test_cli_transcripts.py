"""The tool's words: what it prints, to the letter, with its exit codes.

A transcript in cli/ holds commands and what they must print:

    $ model-convert run nothere.apus     a command (in the folder that cli.make_files writes)
    | text                               a line of stdout
    ! text                               a line of stderr
    = 1                                  the exit code, where it is not 0

`UPDATE_TRANSCRIPTS=1 pytest …` writes down what the tool prints now: read the difference before you
commit it.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import List

import pytest

import cli

FOLDER = Path(__file__).resolve().parent / "cli"
TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))


def replay(text: str, folder: Path) -> str:
    """The transcript as the tool would write it now."""
    lines: List[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            words = shlex.split(line[2:])
            assert words[0] == "model-convert", line
            result = cli.run(*words[1:], cwd=folder)
            lines.append(line)
            lines += ["| " + l if l else "|" for l in result.stdout.splitlines()]
            lines += ["! " + l if l else "!" for l in result.stderr.splitlines()]
            if result.code != 0:
                lines.append(f"= {result.code}")
        elif not line or line.startswith("#"):
            lines.append(line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda p: p.stem)
def test_transcript(path: Path, tmp_path: Path) -> None:
    wanted = path.read_text()
    found = replay(wanted, cli.make_files(tmp_path))
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(found)
    assert found == wanted


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 4


@pytest.mark.parametrize(
    "command", ["import", "export", "train", "quantize", "inspect", "run", "verify", "bench"]
)
def test_help_has_an_example(command: str, tmp_path: Path) -> None:
    result = cli.run(command, "--help", cwd=tmp_path)
    assert result.code == 0 and result.stderr == ""
    assert "EXAMPLE" in result.stdout and f"model-convert {command}" in result.stdout


def test_without_arguments_the_help_is_an_error(tmp_path: Path) -> None:
    result = cli.run(cwd=tmp_path)
    assert result.code == 2 and result.stdout == ""
    assert cli.run("--help", cwd=tmp_path).stdout.strip() == result.stderr.strip()
