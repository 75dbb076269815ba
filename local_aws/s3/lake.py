"""The lake's files: which path a key has, and how a file comes there whole or not at all."""

import contextlib
import errno
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_aws.errors import LakeError, ServiceError

RCLONE_TEMPORARY = ".rclone_temp_"
LONGEST_KEY = 1024
_FOLDER_KEPT_SECONDS = 3600  # a younger one may be another program's, which is about to write there
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Identity:
    """Which file it is: an overwrite gives another one, and so does a write in place."""

    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Identity":
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class Clock:
    """Times of modification that never come twice.

    The kernel's own step is some milliseconds: two files made within one step, the second with the inode number of
    the first, would have one identity.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def tick(self) -> int:
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


class Lake:
    """The buckets' folders under `home`/lake, and the staging folder for what is not an object yet."""

    def __init__(self, home: Path) -> None:
        self.root = home / "lake"
        self.root.mkdir(parents=True, exist_ok=True)
        same = os.stat(self.root).st_dev == os.stat(home).st_dev
        self.staging = home / "uploads" if same else self.root / ".uploads"  # a rename needs one filesystem
        self.staging.mkdir(mode=0o700, exist_ok=True)
        self._clock = Clock()

    def bucket(self, name: str) -> Path:
        """Return the folder of an existing bucket, or raise NoSuchBucket."""
        if not _BUCKET.fullmatch(name) or ".." in name:
            raise ServiceError("NoSuchBucket", f"There is no bucket {name!r}: its name is not a bucket's.", 404)
        path = self.root / name
        if not path.is_dir():
            raise ServiceError("NoSuchBucket", f"There is no bucket {name!r}: create it first.", 404)
        return path

    def path(self, bucket: str, key: str) -> str:
        """Return the file's path of a key in an existing bucket; refuse keys that are no path below it."""
        check_key(key)
        return f"{self.bucket(bucket)}/{key}"

    @contextlib.contextmanager
    def staged(self) -> "Iterator[Staged]":
        """Give a new file that has no place yet; whatever was not placed at the end is removed."""
        path = f"{self.staging}/{secrets.token_hex(12)}.tmp"
        with no_space(path):
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            yield Staged(path, descriptor, self._clock)
        finally:
            os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def place(self, staged: "Staged", target: str, *, exclusive: bool = False) -> None:
        """Give a finished file its place, atomically, and make that durable; `exclusive` raises FileExistsError."""
        for _ in range(100):
            try:
                self._make_room(target)
                if exclusive:
                    os.link(staged.path, target)
                else:
                    os.replace(staged.path, target)
                return sync_folder(os.path.dirname(target))
            except FileNotFoundError:
                continue  # the folder went away between the two calls: its last object was deleted
            except (IsADirectoryError, NotADirectoryError):
                raise self._clash(target) from None
            except OSError as error:
                raise _as_service_error(error, target) from error
        raise LakeError(
            f"{os.path.dirname(target)}: the folder keeps vanishing while an object is put there; try again"
        )

    def _make_room(self, target: str) -> None:
        """Make the folders above, and take away empty folders that stand where the file goes."""
        folder = os.path.dirname(target)
        try:
            os.makedirs(folder, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise self._clash(target) from None
        if os.path.isdir(target):
            remove_empty(target)

    def _clash(self, target: str) -> ServiceError:
        key = os.path.relpath(target, self.root).partition("/")[2]
        return ServiceError(
            "InvalidArgument",
            f"The key {key!r} and another key are one the folder of the other ('a' and 'a/b'): a folder of plain files "
            "cannot hold both. Choose another key.",
            409,
        )

    def sweep(self) -> int:
        """Remove what a killed server left, rclone's temporary files, and folders that were emptied some time ago."""
        swept = 0
        for entry in os.scandir(self.staging):
            if entry.name.endswith(".tmp"):
                os.unlink(entry.path)
                swept += 1
        settled = time.time() - _FOLDER_KEPT_SECONDS
        for folder, folders, names in os.walk(self.root, topdown=False):
            for name in names:
                if name.startswith(RCLONE_TEMPORARY):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os.path.join(folder, name))
                        swept += 1
            below_bucket = folder.count("/") >= str(self.root).count("/") + 2
            if below_bucket and not names and not folders and os.stat(folder).st_mtime < settled:
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        return swept


class Staged:
    """A file on its way: written through `descriptor`, then sealed."""

    def __init__(self, path: str, descriptor: int, clock: Clock) -> None:
        self.path = path
        self.descriptor = descriptor
        self._clock = clock

    def write(self, data: memoryview) -> None:
        """Append `data`."""
        with no_space(self.path):
            while data:
                data = data[os.write(self.descriptor, data) :]

    def copy_from(self, source: int, offset: int, left: int) -> None:
        """Append `left` bytes of the open file `source`, from `offset`, inside the kernel."""
        with no_space(self.path):
            while left:
                done = os.copy_file_range(source, self.descriptor, left, offset)
                if not done:
                    raise LakeError(f"{self.path}: the file that it was copied from has been cut short; try again")
                offset, left = offset + done, left - done

    def seal(self) -> Identity:
        """Make the content durable, under a time of modification of its own; return the file's identity."""
        moment = self._clock.tick()
        with no_space(self.path):
            os.utime(self.descriptor, ns=(moment, moment))
            os.fsync(self.descriptor)
        return Identity.of(os.fstat(self.descriptor))


def check_key(key: str) -> None:
    """Refuse a key that is no clean path: empty, too long, `..`, empty segments, control characters."""
    reason = None
    if not key or len(key.encode("utf-8", "surrogateescape")) > LONGEST_KEY:
        reason = "it is empty or longer than 1024 bytes"
    elif key.endswith("/"):
        reason = "it ends with '/': folders are not objects here"
    else:
        reason = next((found for segment in key.split("/") if (found := segment_problem(segment))), None)
    if reason:
        raise ServiceError("InvalidArgument", f"The key {key[:200]!r} is refused: {reason} (see docs/s3.md).", 400)


def segment_problem(segment: str) -> str | None:
    """Say why no key has this segment, or None where one may."""
    if segment in ("", ".", ".."):
        return "a segment is empty, '.' or '..'"
    if _REFUSED.search(segment):
        return "it has a control character, a backslash or bytes that are no UTF-8"
    if len(segment) > 63 and len(segment.encode()) > 255:
        return "a segment is longer than 255 bytes, and a file's name cannot be"
    if segment.startswith(RCLONE_TEMPORARY):
        return f"names that start with {RCLONE_TEMPORARY} are rclone's own"
    return None


def check_new_bucket(name: str) -> None:
    """Refuse a name that S3 would not give to a general purpose bucket."""
    if not _BUCKET.fullmatch(name) or ".." in name or re.fullmatch(r"[\d.]+", name):
        raise ServiceError("InvalidBucketName", f"{name!r} is no bucket name: 3-63 of a-z, 0-9, '-', '.'.", 400)


def open_file(path: str) -> tuple[int, os.stat_result] | None:
    """Open a regular file for reading, or return None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LakeError(f"{path}: cannot be read ({error.strerror}); check who owns the lake's files") from error
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status
    os.close(descriptor)
    return None


def identity_at(path: str) -> Identity | None:
    """Return the identity of the regular file at `path`, or None."""
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Identity.of(status) if stat.S_ISREG(status.st_mode) else None


def remove_file(path: str) -> Identity | None:
    """Remove a regular file and return its identity, or None where there is none; folders above it stay."""
    identity = identity_at(path)
    if identity is None:
        return None
    try:
        os.unlink(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LakeError(f"{path}: cannot be removed ({error.strerror}); check who owns the lake's files") from error
    return identity


def remove_empty(folder: str) -> None:
    """Remove folders under and including `folder` as far as they are empty."""
    for path, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(path)


def sync_folder(folder: str) -> None:
    """Make renames in a folder durable."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def no_space(path: str) -> Iterator[None]:
    """Turn the system's "no space" into the service's answer."""
    try:
        yield
    except OSError as error:
        raise _as_service_error(error, path) from error


def _as_service_error(error: OSError, path: str) -> Exception:
    if error.errno in _NO_SPACE:
        return ServiceError(
            "InternalError",
            f"no space left for the lake ({error.strerror}); nothing was changed: free some space and try again",
            507,
        )
    return LakeError(f"{path}: cannot be written ({error.strerror}); check who owns the lake's files")
