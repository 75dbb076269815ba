"""What all pages share: the frame with its style, tables, figures, badges."""

from __future__ import annotations

import decimal
import html
from collections.abc import Iterable, Sequence
from typing import Any

from workbench.console import format_cell

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE = """
:root { --ink:#16202b; --soft:#5b6875; --line:#e3e8ee; --paper:#fff; --ground:#f4f6f9; --accent:#1f6feb;
  --good:#12805c; --bad:#c0362c; --warn:#b7791f; --idle:#7a8794 }
* { box-sizing:border-box }
body { margin:0; background:var(--ground); color:var(--ink); font:15px/1.55 -apple-system,"Segoe UI",Roboto,
  "Helvetica Neue",Arial,"Noto Sans",sans-serif; font-variant-numeric:tabular-nums }
header { background:linear-gradient(120deg,#0f2740,#17456f); color:#fff; padding:30px 0 34px }
header .wide { display:flex; gap:24px; align-items:flex-end; justify-content:space-between; flex-wrap:wrap }
header h1 { margin:0 0 4px; font-size:27px; font-weight:650; letter-spacing:-.01em }
header p { margin:0; color:#c3d4e6 }
header a { color:#fff }
.wide { max-width:1120px; margin:0 auto; padding:0 24px }
main.wide { padding-top:24px; padding-bottom:64px }
section { background:var(--paper); border:1px solid var(--line); border-radius:12px; padding:20px 24px;
  margin:0 0 18px;
  box-shadow:0 1px 2px rgba(16,32,48,.04) }
h2 { font-size:17px; margin:0 0 12px; font-weight:650 }
h3 { font-size:14.5px; margin:18px 0 8px; font-weight:650 }
a { color:var(--accent); text-decoration:none } a:hover { text-decoration:underline }
.figures { display:grid; grid-template-columns:repeat(auto-fit,minmax(150px,1fr)); gap:14px; margin:0 0 18px }
.figure { background:var(--paper); border:1px solid var(--line); border-radius:12px; padding:14px 18px }
.figure b { display:block; font-size:24px; font-weight:650; letter-spacing:-.01em }
.figure span { color:var(--soft); font-size:13px }
.scroll { overflow-x:auto }
table { border-collapse:collapse; width:100%; font-size:14px }
th { text-align:left; color:var(--soft); font-weight:600; font-size:12.5px; border-bottom:1px solid var(--line);
  padding:6px 12px 6px 0;
  white-space:nowrap }
td { border-bottom:1px solid var(--line); padding:7px 12px 7px 0; vertical-align:top }
tr:last-child td { border-bottom:0 } td.number, th.number { text-align:right }
td.number + td:not(.number), th.number + th:not(.number) { padding-left:16px }
.plots { grid-template-columns:repeat(auto-fit,minmax(300px,1fr)) !important }
code, .mono { font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; overflow-wrap:anywhere }
.badge { display:inline-block; border-radius:99px; padding:1px 10px; font-size:12.5px; font-weight:600;
  color:#fff; background:var(--idle) }
.succeeded { background:var(--good) } .failed { background:var(--bad) } .interrupted { background:var(--warn) }
.running { background:var(--accent) }
.soft { color:var(--soft) } .whole { white-space:nowrap }
.problem { border-left:4px solid var(--bad); background:#fdf3f2; padding:10px 14px; border-radius:6px }
.flow { display:flex; gap:0; align-items:stretch; overflow-x:auto; padding:4px 0 }
.flow .stop { flex:1 1 0; min-width:118px; border:1px solid var(--line); border-radius:10px; padding:12px 14px;
  background:#fbfcfe }
.flow .stop b { display:block; font-size:20px; font-weight:650 }
.flow .stop small { color:var(--soft); display:block; line-height:1.35 }
.flow .stop.lost { border-color:#f0d9b0; background:#fffaf0 }
.flow .step { flex:0 0 92px; display:flex; flex-direction:column; justify-content:center; align-items:center;
  text-align:center;
  font-size:11.5px; color:var(--soft); line-height:1.3; padding:0 6px }
.flow .step i { font-style:normal; font-size:18px; color:var(--accent) }
.columns { display:grid; grid-template-columns:repeat(auto-fit,minmax(330px,1fr)); gap:8px 32px }
details { border-top:1px solid var(--line); padding:8px 0 } details:first-of-type { border-top:0 }
summary { cursor:pointer; font-weight:600; padding:4px 0 }
.notebook { padding:4px 2px 8px; max-width:900px } .notebook img { max-width:100%; height:auto }
.notebook table { width:auto; margin:6px 0 14px }
.notebook tbody th { border-bottom:1px solid var(--line); padding:7px 12px 7px 0 }
.notebook tbody tr:last-child th { border-bottom:0 }
.notebook h1 { font-size:19px } .notebook h2 { font-size:16px; margin-top:22px } .notebook h3 { font-size:14.5px }
.notebook pre { background:#f7f9fb; border:1px solid var(--line); border-radius:8px;
  padding:10px 12px; overflow-x:auto; font:12.5px/1.5 ui-monospace,Menlo,Consolas,monospace; white-space:pre-wrap }
.notebook pre.error { background:#fdf3f2; border-color:#f1cbc7 }
svg text { font:12px -apple-system,"Segoe UI",Roboto,Arial,sans-serif; fill:var(--soft) }
td.added, td.gone { padding-left:10px }
.added { background:#e8f6ef } .gone { background:#fdeceb } .same { color:var(--good); font-weight:600 }
footer { color:var(--soft); font-size:12.5px; text-align:center; padding-bottom:32px }
"""


def frame(title: str, lead: str, body: str, aside: str = "") -> str:
    """Return a whole page. `title` and `lead` are text; `body` and `aside` are HTML."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head>\n<body><header><div class=wide>"
        f"<div><h1>{text(title)}</h1><p>{text(lead)}</p></div>"
        f'<div>{aside}</div></div></header>\n<main class="wide">{body}</main>\n'
        "<footer>Analytics Workbench</footer></body></html>\n"
    )


def text(value: object) -> str:
    """Return a value as a page may show it."""
    return html.escape(str(value))


def section(title: str, body: str) -> str:
    """Return a box with a heading; nothing where there is nothing in it."""
    return f"<section><h2>{text(title)}</h2>{body}</section>\n" if body else ""


def badge(status: str) -> str:
    """Return a status as a coloured word."""
    return f'<span class="badge {text(status)}">{text(status)}</span>'


def figures(facts: Iterable[tuple[str, object]]) -> str:
    """Return large figures with a word below each."""
    boxes = (f"<div class=figure><b>{text(show(value))}</b><span>{text(label)}</span></div>" for label, value in facts)
    return f"<div class=figures>{''.join(boxes)}</div>\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; numbers stand right; a cell of type Html is taken as it is."""
    lines = [list(row) for row in rows]
    numeric = [
        bool(lines)
        and all(_is_number(row[at]) or row[at] is None for row in lines)
        and any(_is_number(r[at]) for r in lines)
        for at in range(len(columns))
    ]
    marks = [' class="number"' if number else "" for number in numeric]
    head = "".join(f"<th{mark}>{text(name)}</th>" for name, mark in zip(columns, marks, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{mark}>{_cell(value)}</td>" for value, mark in zip(row, marks, strict=True)) + "</tr>"
        for row in lines
    )
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


class Html(str):
    """A text that is HTML already."""


def _cell(value: object) -> str:
    return str(value) if isinstance(value, Html) else text(show(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool)


def show(value: Any) -> str:
    """Return a value as people read it."""
    return "–" if value is None or value == "" else format_cell(value)


def seconds(value: float | None) -> str:
    """Return a duration as people read it."""
    if value is None:
        return "–"
    if value < 90:
        return f"{value:.1f}\N{NO-BREAK SPACE}s"
    return f"{int(value // 60)}\N{NO-BREAK SPACE}min {int(value % 60)}\N{NO-BREAK SPACE}s"


def size(value: float | None) -> str:
    """Return a number of bytes as people read it."""
    if value is None:
        return "–"
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1000
    return ""
