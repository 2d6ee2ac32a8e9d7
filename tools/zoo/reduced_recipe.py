"""A recipe of recipes/ made smaller: some of its numbers changed, its paths absolute."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Mapping

ROOT = Path(__file__).resolve().parents[2]


VALUE = r"(?:\[[^\]]*\]|\{[^}]*\}|[^,}\n]+)"


def reduced_recipe(name: str, changes: Mapping[str, object]) -> str:
    """The text of recipes/NAME.yaml with other values of some keys. A key begins a line once, or stands
    in a group once. A value that is a list or group is given as YAML has it."""
    text = (ROOT / "recipes" / f"{name}.yaml").read_text()
    text = re.sub(r"(?m)(\bpath: )\.\.", rf"\g<1>{ROOT}", text)
    for key, value in changes.items():
        for place in (rf"(?m)^( *){key}: {VALUE}", rf"([\s{{]){key}: {VALUE}"):
            changed, count = re.subn(place, rf"\g<1>{key}: {value}", text)
            if count == 1:
                text = changed
                break
        else:
            raise ValueError(f"{name}.yaml: the key '{key}' stands there {count} times, not once")
    return text
