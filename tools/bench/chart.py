"""A bar chart, on a logarithmic axis, of how many times as fast apus is as its fastest peer."""

from __future__ import annotations

import math
from typing import Dict, List, NamedTuple, Sequence, Tuple
from xml.sax.saxutils import escape

ROW, BAR, LEFT, WIDTH, TOP = 30, 10, 190, 430, 64
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
FASTER, SLOWER, INK, FAINT = "#1f7a4d", "#b5482f", "#222222", "#dddddd"


class Bar(NamedTuple):
    threads: int
    ratio: float
    spread: Tuple[float, float]


def svg(rows: Dict[str, Sequence[Bar]], caption: str) -> str:
    ratios = [r for bars in rows.values() for bar in bars for r in (bar.ratio, *bar.spread)]
    low = max([t for t in TICKS if t <= min(ratios)], default=TICKS[0])
    high = min([t for t in TICKS if t >= max(ratios)], default=TICKS[-1])
    low, high = min(low, 0.5), max(high, 2)

    def at(ratio: float) -> float:
        part = math.log(max(min(ratio, high), low) / low) / math.log(high / low)
        return round(LEFT + WIDTH * part, 1)

    bottom = TOP + ROW * len(rows)
    parts: List[str] = [text(12, 22, caption, size=14)]
    parts.append(text(12, 40, "upper bar 1 thread, lower 2; the line across an end is the spread"))
    for tick in TICKS:
        if low <= tick <= high:
            ink = INK if tick == 1 else FAINT
            parts.append(line(at(tick), TOP - 6, at(tick), bottom, ink))
            parts.append(text(at(tick), bottom + 16, f"{tick:g}", anchor="middle"))
    for i, (title, bars) in enumerate(rows.items()):
        top = TOP + ROW * i
        parts.append(text(LEFT - 10, top + 15, title, anchor="end"))
        for j, bar in enumerate(bars):
            y = top + 2 + j * (BAR + 2)
            start, end = sorted((at(1), at(bar.ratio)))
            color = FASTER if bar.ratio >= 1 else SLOWER
            opacity = 1 if bar.threads == 1 else 0.55
            parts.append(
                f'<rect x="{start}" y="{y}" width="{end - start:.1f}" height="{BAR}" '
                f'fill="{color}" fill-opacity="{opacity}"/>'
            )
            middle = y + BAR / 2
            parts.append(line(at(bar.spread[0]), middle, at(bar.spread[1]), middle, INK))
            right = max(at(bar.ratio), at(bar.spread[1]), at(1))
            parts.append(text(right + 5, y + BAR - 1, f"{bar.ratio:.2f}", size=10))
    height, width = bottom + 28, LEFT + WIDTH + 50
    return document(width, height, parts)


def document(width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">\n'
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def text(x: float, y: float, words: str, anchor: str = "start", size: int = 12) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{INK}">'
        f"{escape(words)}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, color: str) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}"/>'
