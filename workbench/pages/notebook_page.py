"""An executed notebook as readers who want no code see it: prose, tables, pictures, errors."""

from __future__ import annotations

import itertools
import re
from functools import cache, lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from workbench.executed import read_notebook_file
from workbench.pages.layout import text

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ALLOWED = frozenset(
    "table thead tbody tr th td div p b i em strong span br ul ol li progress pre code sub sup".split()
)
_KEPT = frozenset(("colspan", "rowspan", "value", "max", "title"))
_VOID = frozenset(("br",))
_CELL = re.compile(r"<t([hd])>(.*?)</t\1>", re.DOTALL)
_NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?( ?%)?|NaN|None|<NA>|&lt;NA&gt;|", re.IGNORECASE)


def render_notebook(path: Path) -> str:
    """Return the notebook's prose and outputs as HTML; an empty text where there is no readable file."""
    document = read_notebook_file(path)
    if document is None:
        return ""
    parts: list[str] = []
    for cell in document["cells"]:
        if cell.get("cell_type") == "markdown":
            parts.append(render_markdown(_join(cell.get("source", ""))))
        elif cell.get("cell_type") == "code":
            parts += [_render_output(output) for output in cell.get("outputs", [])]
    return f"<div class=notebook>{''.join(parts)}</div>"


@cache
def _markdown() -> Any:
    import mistune

    return mistune.create_markdown(escape=True, plugins=["table", "strikethrough"])


@lru_cache(maxsize=512)  # a report is drawn twice: ahead of the run's end, and at it
def render_markdown(source: str) -> str:
    """Return Markdown as HTML; links lead nowhere within the page's policy but are kept as text."""
    return sanitize(str(_markdown()(source)), frozenset("h1 h2 h3 h4 blockquote hr a".split()))


def _render_output(output: dict[str, Any]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return f"<pre>{text(_clean(_join(output.get('text', ''))))}</pre>"
    if kind == "error":
        trace = _clean("\n".join(output.get("traceback", []))) or f"{output.get('ename')}: {output.get('evalue')}"
        return f'<pre class="error">{text(trace[-6000:])}</pre>'
    data = output.get("data", {})
    if "image/png" in data:
        words = text(_clean(_join(data.get("text/plain", "")))) or "chart"
        return f'<p><img alt="{words}" src="data:image/png;base64,{text(_join(data["image/png"]).strip())}"></p>'
    if "text/html" in data:
        return f"<div class=scroll>{_render_html(_join(data['text/html']))}</div>"
    if "text/plain" in data:
        return f"<pre>{text(_clean(_join(data['text/plain'])))}</pre>"
    return ""


@lru_cache(maxsize=512)
def _render_html(source: str) -> str:
    return align_numbers(sanitize(source))


def _join(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)


def _clean(value: str) -> str:
    return _ANSI.sub("", value)


def align_numbers(source: str) -> str:
    """Return HTML with class `number` on the cells of those columns of its tables that hold nothing but numbers."""
    return re.sub(r"<table>.*?</table>", lambda found: _align_table(found[0]), source, flags=re.DOTALL)


def _align_table(table: str) -> str:
    rows = [_CELL.findall(row) for row in re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)]
    if "span=" in table or len({len(row) for row in rows}) != 1:
        return table
    body = [row for row in rows if any(kind == "d" for kind, _ in row)]
    numeric = [
        bool(body) and all(row[at][0] == "d" and _NUMBER.fullmatch(row[at][1].strip()) for row in body)
        for at in range(len(rows[0]))
    ]
    place = itertools.cycle(numeric)
    return _CELL.sub(lambda cell: f"<t{cell[1]}{' class=number' * next(place)}>{cell[2]}</t{cell[1]}>", table)


def sanitize(source: str, more: frozenset[str] = frozenset()) -> str:
    """Return HTML with only harmless elements and attributes: no script, style, frame, picture or event of others."""
    cleaner = _Cleaner(_ALLOWED | more)
    cleaner.feed(source)
    cleaner.close()
    return "".join(cleaner.parts)


class _Cleaner(HTMLParser):
    def __init__(self, allowed: frozenset[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.allowed = allowed
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self.hidden += 1
        elif tag in self.allowed:
            kept = "".join(f' {name}="{text(value or "")}"' for name, value in attrs if name in _KEPT)
            self.parts.append(f"<{tag}{kept}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self.hidden = max(0, self.hidden - 1)
        elif tag in self.allowed and tag not in _VOID:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(text(data))
