"""Do while a notebook works what would be waited for behind it, or behind the last one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from workbench.course import Course
from workbench.fingerprint import Services
from workbench.kept import keep_answers

_AFTER_SECONDS = 1.0  # then papermill has its notebook on its way
_DONE = ("succeeded", "skipped")


@contextlib.contextmanager
def work_ahead(course: Course, services: Services, last: bool) -> Iterator[None]:
    """Make the clients that are asked behind a notebook; beside the last one, keep the answers and draw the report.

    What fails here is done again in its place, where it is told why.
    """
    ended = threading.Event()
    tasks: list[Callable[[], object]] = [lambda: [services.session.client(name) for name in ("s3", "athena")]]
    if last:
        tasks += [lambda: _keep_answers(course, services), lambda: _draw_report(course)]

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
