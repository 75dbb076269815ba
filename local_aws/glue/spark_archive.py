"""A class-data archive (AppCDS) of Spark's classes: built once in the background, it halves a small job's time.

The first successful run without an archive records which classes it loaded; from that list the JVM dumps an archive,
at the lowest priority, after the run. docs/adr/0007-spark-without-docker.md has the figures.
WORKBENCH_SPARK_ARCHIVE=off does without; any other value is the folder to keep it in.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from local_aws.glue import job_process
from local_aws.glue.job_sessions import end_session
from local_aws.glue.spark import class_path, java_home
from local_aws.processes import MARK

SETTING = "WORKBENCH_SPARK_ARCHIVE"
UNUSED_SECONDS = 14 * 86_400.0  # two environments that take turns keep an archive each; one that is no more does not
ENOUGH_CLASSES = 12_000  # a script that only starts Spark loads fewer: its list would make a poor archive


def archive_path(home: Path) -> Path:
    """Where the archive of this JVM and this Spark lies: beside the installed packages, or else in `home`."""
    installed = Path(sys.prefix)
    folder = installed / "var" if os.access(installed, os.W_OK) else home / "cache"
    return Path(os.environ.get(SETTING) or folder / "spark-archive") / f"{_fingerprint()}.jsa"


@cache
def _fingerprint() -> str:
    """Tell one JVM and one set of jars from another: an archive fits the very files that it was made from."""
    release = java_home() / "release"
    stamps = [(jar, os.stat(jar).st_size, os.stat(jar).st_mtime_ns) for jar in class_path().split(os.pathsep)]
    java = release.read_text() if release.is_file() else str(java_home())
    return hashlib.sha256(f"{java}{stamps}".encode()).hexdigest()[:16]


def archive_flags(home: Path, class_list: Path) -> list[str]:
    """Return the JVM options that use the archive or, where there is none, record the classes for it."""
    if os.environ.get(SETTING) == "off":
        return []
    archive = archive_path(home)
    if archive.exists():
        with contextlib.suppress(OSError):  # another user's: then they say when it was used
            os.utime(archive)
        # An archive that does not fit (another machine's, a changed jar) is passed over without a word.
        return [f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:cds*=off", "-Xlog:class+path=off"]
    return [f"-XX:DumpLoadedClassList={class_list}"]


def read_class_list(path: Path) -> bytes | None:
    """Return the list of classes that a run recorded, if there is one that is long enough for an archive."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return content if content.count(b"\n") >= ENOUGH_CLASSES else None


def remove_unused(archive: Path) -> None:
    """Remove the archives beside `archive` that no run used for a fortnight: of a JVM or of jars that were here."""
    for other in archive.parent.glob("*.jsa"):
        with contextlib.suppress(OSError):
            if other != archive and time.time() - other.stat().st_mtime > UNUSED_SECONDS:
                other.unlink()


class ArchiveBuild:
    """One build in the background; `stop` ends it. A second build of the same archive, of any stack, does nothing."""

    def __init__(self, home: Path, class_list: bytes) -> None:
        self._home = home
        self._class_list = class_list
        self._archive = archive_path(home)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def run(self) -> None:
        """Build the archive and move it into place; leave nothing where that fails."""
        place = self._archive.parent
        try:
            place.mkdir(parents=True, exist_ok=True)
            with (place / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left in place.glob("build-*"):  # by a build that was killed
                    shutil.rmtree(left, ignore_errors=True)
                if not self._archive.exists():
                    with tempfile.TemporaryDirectory(prefix="build-", dir=place) as folder:
                        self._build(Path(folder))
        except OSError:  # another stack is building it, or there is no space: runs go on without
            return

    def stop(self) -> None:
        """End a build under way, or one that is about to start."""
        self._stopped = True
        if self._process is not None:
            end_session(self._process.pid)

    def _build(self, folder: Path) -> None:
        new, class_list = folder / "spark.jsa", folder / "classes.lst"
        class_list.write_bytes(self._class_list)
        command = [
            str(java_home() / "bin" / "java"),
            "-Xshare:dump",
            f"-XX:SharedClassListFile={class_list}",
            f"-XX:SharedArchiveFile={new}",
            "-XX:+UseG1GC",  # the only collector whose archive also holds heap objects
            "-Xlog:disable",
            "-cp",
            class_path(),
        ]
        specification = folder / "specification.json"
        specification.write_text(json.dumps({"command": command}), encoding="utf-8")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._process = subprocess.Popen(
                [sys.executable, job_process.__file__, "archive", str(specification), str(theirs.fileno())],
                env={"PATH": os.environ.get("PATH", os.defpath), MARK: str(self._home)},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            theirs.close()
            if self._stopped:
                self.stop()
            if self._process.wait() == 0 and new.exists():
                os.replace(new, self._archive)
                remove_unused(self._archive)
