"""Takes the drawings out of a page that `model-convert train --report` wrote, and makes one SVG file of
some of them: with its own style, in light and dark, without a reference to anything outside."""

from __future__ import annotations

import html
import re
from typing import Dict, List, NamedTuple, Sequence, Tuple

PADDING, TITLE, GAP = 20.0, 34.0, 16.0
# What of the page's style the drawings use.
SELECTORS = re.compile(
    r"^(:root|\.(training|validation|rate|norm|grid|tick|curve|point|best|name|right|wrong|none|count)"
    r"|svg (text|\.tick|\.strong))"
)


class Figure(NamedTuple):
    title: str
    legend: List[Tuple[str, str]]  # class of the colour, text
    content: str
    width: float
    height: float


def figures(page: str) -> Dict[str, Figure]:
    """All drawings of a report by their titles."""
    found = {}
    pattern = (
        r'<div class="card">(?:<div class="cardhead">)?<h2>([^<]*)</h2>'
        r'(?:<div class="legend">(.*?)</div></div>)?(?:<div class="scroll">)?'
        r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>(.*?)</svg>'
    )
    for title, legend, width, height, content in re.findall(pattern, page, re.S):
        keys = re.findall(r'<span class="key (\w+)">([^<]*)</span>', legend)
        # What shows under a pointer does not show in a picture.
        content = re.sub(r'<circle class="target".*?</circle>', "", content)
        content = re.sub(r"<title>.*?</title>", "", content)
        content = re.sub(r"<g>(.*?)</g>", r"\1", content)
        found[html.unescape(title)] = Figure(title, keys, content, float(width), float(height))
    return found


def _rules(text: str) -> str:
    kept = []
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text):
        names = [n.strip() for n in selectors.split(",") if SELECTORS.match(n.strip())]
        if names:
            kept.append(f"{','.join(names)}{{{' '.join(body.split())}}}")
    return "".join(kept)


def _style(page: str) -> str:
    css = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    dark = re.search(r"@media \(prefers-color-scheme: dark\) \{(.*?\})\s*\}", css, re.S)
    light = css.replace(dark[0], "")
    light = re.sub(r"@media [^{]*\{[^{}]*(\{[^{}]*\}[^{}]*)*\}", "", light)
    return (
        _rules(light)
        + f"@media (prefers-color-scheme: dark){{{_rules(dark[1])}}}"
        + "svg{font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue','DejaVu Sans',sans-serif}"
        + ".heading{font-size:16px;font-weight:650}.key{font-size:12px;fill:var(--dim)}"
        + ".card{fill:var(--card);stroke:var(--rule)}.line{stroke:var(--c);stroke-width:3}"
    )


def _card(figure: Figure, x: float, y: float, width: float, height: float) -> str:
    """With its title and legend in a frame of `width` by `height`."""
    out = (
        f'<rect class="card" x="{x + 0.5}" y="{y + 0.5}" width="{width - 1:.1f}" '
        f'height="{height - 1:.1f}" rx="10"/>'
    )
    out += f'<text class="heading" x="{x + PADDING}" y="{y + PADDING + 10}">{figure.title}</text>'
    right = x + width - PADDING
    for style, text in reversed(figure.legend):
        right -= 7 * len(text)
        out += f'<text class="key" x="{right:.1f}" y="{y + PADDING + 9}">{text}</text>'
        out += (
            f'<line class="line {style}" x1="{right - 20:.1f}" x2="{right - 6:.1f}" '
            f'y1="{y + PADDING + 5}" y2="{y + PADDING + 5}"/>'
        )
        right -= 34
    out += (
        f'<svg x="{x + PADDING}" y="{y + PADDING + TITLE - 10}" width="{figure.width:g}" '
        f'height="{figure.height:g}">{figure.content}</svg>'
    )
    return out


def compose(page: str, rows: Sequence[Sequence[str]]) -> str:
    """- Parameter rows: titles of drawings; those of a row stand side by side.
    - Raises: KeyError, where the report has no such drawing."""
    known = figures(page)
    missing = [t for row in rows for t in row if t not in known]
    if missing:
        raise KeyError(f"the report has no {missing}; it has {list(known)}")
    chosen = [[known[title] for title in row] for row in rows]
    widths = [sum(f.width + 2 * PADDING for f in row) + GAP * (len(row) - 1) for row in chosen]
    width = max(widths)
    body, y = "", 0.0
    for row, own in zip(chosen, widths):
        height = max(f.height for f in row) + 2 * PADDING + TITLE - 10
        x = 0.0
        for figure in row:
            # What a row is narrower than the widest is shared by its cards.
            card = figure.width + 2 * PADDING + (width - own) / len(row)
            body += _card(figure, x, y, card, height)
            x += card + GAP
        y += height + GAP
    height = y - GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}"><style>{_style(page)}</style>{body}</svg>\n'
    )
