"""Notice objects that come into buckets of the lake, by whatever client or program, once each is whole.

watchdog tells of files at once. A file is told of when two looks at it, a moment apart, find it the same: one that is
dropped in grows for a while, and an S3 client's appears whole. What watchdog missed, the reconciling listing notes.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from local_aws.s3.lake import RCLONE_TEMPORARY, Identity, segment_problem

SETTLE_SECONDS = 0.4
Place = tuple[str, str]  # bucket, key


@dataclass(frozen=True)
class Landed:
    """One whole object; `sequencer` orders the versions of one key, `at` is since when (epoch) the file is as it is."""

    bucket: str
    key: str
    size: int
    sequencer: str
    at: float


@dataclass
class _Look:
    identity: Identity
    at: float


class Landing:
    """Watch the folders of buckets. `say` is told, with the key, of files that are no objects."""

    def __init__(self, lake: Path, say: Callable[[str], None]) -> None:
        self._lake = lake
        self._say = say
        self._lock = Lock()
        self._noted: set[Place] = set()
        self._pending: dict[Place, _Look] = {}
        self._told: dict[Place, Identity] = {}
        self._observer = Observer()

    def start(self, buckets: Iterable[str]) -> None:
        """Begin to watch."""
        for bucket in buckets:
            self._observer.schedule(_Handler(self, self._lake, bucket), str(self._lake / bucket), recursive=True)
        self._observer.start()

    def close(self) -> None:
        """Stop watching."""
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def note(self, bucket: str, key: str) -> None:
        """Have a look at an object soon; may be called from any thread."""
        if not key.rpartition("/")[2].startswith(RCLONE_TEMPORARY):
            with self._lock:
                self._noted.add((bucket, key))

    def note_unless_told(self, bucket: str, key: str) -> None:
        """Have a look at an object, unless this very version of it was told of already."""
        try:
            found = os.stat(self._lake / bucket / key)
        except OSError:
            return
        if self._told.get((bucket, key)) != Identity.of(found):
            self.note(bucket, key)

    def pending(self) -> set[Place]:
        """Return what was seen and is not known to be whole."""
        return set(self._pending)

    def settle(self) -> list[Landed]:
        """Return the objects that are whole now and were not told of, in the order in which they were noted."""
        now, landed = time.monotonic(), []
        with self._lock:
            noted, self._noted = self._noted, set()
        for place in noted:
            if place not in self._pending and (status := self._look(place, first=True)):
                self._pending[place] = _Look(Identity.of(status), now)
        for place, look in list(self._pending.items()):
            if now - look.at < SETTLE_SECONDS:
                continue
            status = self._look(place, first=False)
            if status is None:
                del self._pending[place]
                continue
            found = Identity.of(status)
            if found != look.identity:
                self._pending[place] = _Look(found, now)
                continue
            del self._pending[place]
            if self._told.get(place) != found:
                self._told[place] = found
                # A file that is moved here keeps its time of modification, and gets a new time of change.
                landed.append(Landed(*place, found.size, f"{found.mtime_ns:016X}", status.st_ctime))
        return landed

    def _look(self, place: Place, first: bool) -> os.stat_result | None:
        """Return a file's state; None, and a word of it, where there is no object to be had."""
        bucket, key = place
        problem = next((found for part in key.split("/") if (found := segment_problem(part))), None)
        try:
            status = os.stat(self._lake / bucket / key)
            if stat.S_ISDIR(status.st_mode):
                return None
            if not stat.S_ISREG(status.st_mode):
                problem = problem or "it is no regular file"
            elif problem is None:
                os.close(os.open(self._lake / bucket / key, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except FileNotFoundError:
            if not first:  # a temporary name that was renamed is gone at the first look
                self._say(f"s3://{bucket}/{key} vanished before it was whole")
            return None
        except OSError as error:
            problem = f"it cannot be read ({error.strerror})"
        if problem is not None:
            self._say(f"s3://{bucket}/{key} is passed over: {problem}")
            return None
        return status


class _Handler(FileSystemEventHandler):
    """Turn watchdog's events in one bucket's folder into keys."""

    def __init__(self, landing: Landing, lake: Path, bucket: str) -> None:
        self._landing = landing
        self._folder = f"{lake / bucket}/"
        self._bucket = bucket

    def dispatch(self, event: FileSystemEvent) -> None:
        """Note the file that came, grew or was renamed."""
        if event.is_directory or event.event_type not in ("created", "modified", "closed", "moved"):
            return
        path = os.fsdecode(event.dest_path if event.event_type == "moved" else event.src_path)
        if path.startswith(self._folder):
            self._landing.note(self._bucket, path.removeprefix(self._folder))
