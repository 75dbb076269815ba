"""Do while a notebook works what would be waited for behind it, or behind the last one."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from workbench.course import Course
from workbench.fingerprint import Services
from workbench.kept import describe_table, keep_answers
from workbench.notebooks import Notebook

_AFTER_SECONDS = 1.0  # then papermill has its notebook on its way
_LOOK_SECONDS = 0.05
_MOST_BYTES = 64 * 1024 * 1024  # a larger table would keep a Ctrl-C waiting
_DONE = ("succeeded", "skipped")


@contextlib.contextmanager
def work_ahead(course: Course, services: Services, notebook: Notebook) -> Iterator[None]:
    """Make the clients that are asked behind a notebook; beside the last one, keep what runs are compared by.

    What fails here is done again in its place, where it is told why.
    """
    ended = threading.Event()
    tasks: list[Callable[[], object]] = [lambda: [services.session.client(name) for name in ("s3", "athena")]]
    if notebook is course.request.notebooks[-1]:
        tasks += [
            lambda: _keep_answers(course, services),
            lambda: _draw_report(course),
            lambda: _describe_table(course, services, notebook, ended),
        ]

    def work() -> None:
        for number, task in enumerate(tasks):
            if ended.is_set() if number else ended.wait(_AFTER_SECONDS):
                return
            with contextlib.suppress(Exception):
                task()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep_answers(course: Course, services: Services) -> None:
    """Keep the answers of step 03, if this is behind it."""
    if any(step.notebook == "03_catalog_query" and step.status in _DONE for step in course.manifest.steps):
        course.answers = keep_answers(course.folder, course.manifest, services.session)


def _draw_report(course: Course) -> None:
    """Draw the report of the run as it stands, for nobody: what draws it is loaded then, and the last one is quick."""
    from workbench.pages.run_page import describe_run
    from workbench.redaction import redact
    from workbench.runs import read_run

    redact(describe_run(read_run(course.folder)))


def _describe_table(course: Course, services: Services, notebook: Notebook, ended: threading.Event) -> None:
    """Describe the curated table by the object that step 04 says it reads, as soon as it does."""
    from workbench.execute import Execution

    told = Execution.inputs_of(course.folder / notebook.path.name)
    while not told.exists():
        if ended.wait(_LOOK_SECONDS):
            return
    place: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))[0]
    if place["bytes"] <= _MOST_BYTES:
        course.table = place, describe_table(course.manifest, services.session, place)
