"""The lake as Athena sees it: s3:// URIs, the data files below a location, and what makes a file the same file."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_aws.athena.errors import QueryError

SCHEMES = ("s3://", "s3a://", "s3n://")


@dataclass(frozen=True)
class DataFile:
    """One object at the moment it was listed; another version of it has another identity."""

    path: str
    size: int
    modified_ns: int
    inode: int

    def unchanged(self) -> bool:
        """Tell whether the path still holds the very file that was listed."""
        try:
            return self == data_file(self.path)
        except OSError:
            return False


def data_file(path: str) -> DataFile:
    """Read the identity of a file (OSError where there is none)."""
    status = os.stat(path)
    return DataFile(path, status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True)
class Lake:
    """The folder of buckets: s3://bucket/key is root/bucket/key."""

    root: Path

    def path(self, uri: str) -> Path:
        """Turn an s3:// URI into its path; anything that is not inside an existing bucket is refused."""
        scheme = next((scheme for scheme in SCHEMES if uri.startswith(scheme)), None)
        parts = uri[len(scheme) :].split("/") if scheme else []
        bucket, names = (parts[0], [name for name in parts[1:] if name]) if parts else ("", [])
        if not bucket or bucket.startswith(".") or any(name in (".", "..") or "\0" in name for name in names):
            raise _refused(uri, "is no s3://bucket/prefix")
        if not (self.root / bucket).is_dir():
            raise _refused(uri, f"names bucket {bucket}, which does not exist")
        return self.root.joinpath(bucket, *names)

    def uri(self, path: str | Path) -> str:
        """Turn a path of the lake into its s3:// URI."""
        return "s3://" + Path(path).relative_to(self.root).as_posix()

    def data_files(self, location: str) -> list[DataFile]:
        """List the data files below a location, in a stable order.

        Names that start with `_` or `.` are ignored at every level, empty files too, as Athena does.
        """
        return sorted(_walk(str(self.path(location))), key=lambda file: file.path)


def is_hidden(name: str) -> bool:
    """Tell whether Hive ignores an object or folder of this name."""
    return name.startswith(("_", "."))


def _walk(folder: str) -> Iterator[DataFile]:
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if is_hidden(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(entry.path)
            continue
        try:
            file = data_file(entry.path)
        except FileNotFoundError:  # removed since it was listed
            continue
        if file.size:
            yield file


def _refused(uri: str, why: str) -> QueryError:
    return QueryError("INVALID_TABLE_PROPERTY", f"Location {uri!r} {why}: use a prefix of this stack's buckets")
