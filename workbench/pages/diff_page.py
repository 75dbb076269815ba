"""The difference between two runs as a page."""

from __future__ import annotations

from pathlib import Path

from workbench.difference import Difference, Section
from workbench.pages.layout import Html, frame, section, show, text
from workbench.record import replace_file
from workbench.redaction import redact


def write_difference(difference: Difference, place: Path) -> Path:
    """Write the page to `place` and return it."""
    replace_file(place, redact(describe_difference(difference)), durable=False)
    return place


def describe_difference(difference: Difference) -> str:
    """Return the page."""
    a, b = difference.first.manifest, difference.second.manifest
    lead = f"A: {a.run_id} ({a.started_at}) · B: {b.run_id} ({b.started_at})"
    equal = [part.title for part in difference.sections if not part.rows]
    same = Html(f'<p><span class="same">equal:</span> {text(", ".join(equal))}</p>') if equal else ""
    body = "".join(section(part.title, _rows(part)) for part in difference.sections if part.rows)
    verdict = "The runs are equal" if difference.equal else "The runs differ"
    return frame(verdict, lead, section("What was compared", str(same) or "<p>nothing is equal</p>") + body)


def _rows(part: Section) -> str:
    lines = "".join(
        f"<tr><td>{text(what)}</td><td class=gone><code>{text(show(a))}</code></td>"
        f"<td class=added><code>{text(show(b))}</code></td></tr>"
        for what, a, b in part.rows
    )
    head = "<thead><tr><th>what</th><th>A</th><th>B</th></tr></thead>"
    return f'<p class="soft">{text(part.note)}</p><div class=scroll><table>{head}<tbody>{lines}</tbody></table></div>'
