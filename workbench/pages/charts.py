"""Charts as SVG within a page: bars of figures, and figures over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workbench.pages.layout import show, text

BLUE, GREY, GOOD, BAD, WARN = "#1f6feb", "#c9d3de", "#12805c", "#c0362c", "#b7791f"
COLOURS = {"succeeded": GOOD, "failed": BAD, "interrupted": WARN, "skipped": GREY}


def bars(rows: Sequence[tuple[str, Any]], unit: str = "", width: int = 640) -> str:
    """Return horizontal bars, a row each: label, bar, figure. Negative and missing values have no bar."""
    if not rows:
        return ""
    most = max((value for _, value in rows), default=0) or 1
    left, height, room = 230, 26, 110
    lines = []
    for number, (label, value) in enumerate(rows):
        y = number * height
        length = float(max(value, 0) / most) * (width - left - room)
        shown = label if len(label) <= 34 else label[:33] + "…"
        lines.append(
            f'<text x="{left - 10}" y="{y + 17}" text-anchor="end">{text(shown)}<title>{text(label)}</title></text>'
            f'<rect x="{left}" y="{y + 5}" width="{max(length, 1.5):.1f}" height="16" rx="3" fill="{BLUE}"/>'
            f'<text x="{left + length + 8:.1f}" y="{y + 17}">{text(show(value))}{text(unit)}</text>'
        )
    return _svg(width, len(rows) * height + 4, lines)


def columns(points: Sequence[tuple[str, float | None, str]], title: str, unit: str = "", width: int = 340) -> str:
    """Return upright bars over time, oldest left: (label, value, colour name or status); None leaves a gap."""
    known = [value for _, value, _ in points if value is not None]
    if not known:
        return ""
    most, height, top, bottom, left = max(known) or 1.0, 190, 34, 22, 52
    pitch = min(34.0, (width - left - 8) / max(len(points), 1))
    inner = height - top - bottom
    lines = [f'<text x="0" y="14" style="font-weight:600;fill:#16202b">{text(title)}</text>']
    for share in (0.0, 0.5, 1.0):
        y = top + inner * (1 - share)
        lines.append(
            f'<line x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e3e8ee"/>'
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{text(_tick(most * share))}{text(unit)}</text>'
        )
    for number, (label, value, status) in enumerate(points):
        if value is None:
            continue
        tall = value / most * inner
        lines.append(
            f'<rect x="{left + (number + 0.12) * pitch:.1f}" y="{top + inner - tall:.1f}" width="{pitch * 0.76:.1f}" '
            f'height="{max(tall, 1):.1f}" rx="2" fill="{COLOURS.get(status, BLUE)}">'
            f"<title>{text(label)}: {text(show(round(value, 3)))}{text(unit)}</title></rect>"
        )
    lines.append(f'<text x="{left}" y="{height - 4}">{text(points[0][0])}</text>')
    end = left + len(points) * pitch
    if end - left > 150:  # else the last label would run into the first
        lines.append(f'<text x="{end:.1f}" y="{height - 4}" text-anchor="end">{text(points[-1][0])}</text>')
    return _svg(width, height, lines)


def timeline(rows: Sequence[tuple[str, float, float, str]], total: float, width: int = 1060) -> str:
    """Return when each step ran: (label, start, length, status), seconds since the run began."""
    if not rows or total <= 0:
        return ""
    left, height = 150, 28
    scale = (width - left - 70) / total
    lines = []
    for number, (label, start, length, status) in enumerate(rows):
        y = number * height
        x = left + start * scale
        lines.append(
            f'<text x="{left - 12}" y="{y + 18}" text-anchor="end">{text(label)}</text>'
            f'<rect x="{left}" y="{y + 5}" width="{total * scale:.1f}" height="18" rx="4" fill="#f1f4f8"/>'
            f'<rect x="{x:.1f}" y="{y + 5}" width="{max(length * scale, 2):.1f}" height="18" rx="4" '
            f'fill="{COLOURS.get(status, BLUE)}"/>'
            f'<text x="{left + total * scale + 8:.1f}" y="{y + 18}">{length:.1f} s</text>'
        )
    return _svg(width, len(rows) * height + 4, lines)


def _svg(width: float, height: float, lines: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="100%" style="max-width:{width:g}px" role="img" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(lines)}</svg>'
    )


def _tick(value: float) -> str:
    for limit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:.3g}"
