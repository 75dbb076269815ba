"""Which tables and partitions a target's folders hold, told from the names of folders alone."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

Remark = Callable[[str], None]
Folders = tuple[str, ...]


class TargetError(Exception):
    """A target cannot be crawled; the message says which and why."""


@dataclass(frozen=True)
class PartitionFolder:
    """The data files of one partition; an unpartitioned table has one, without values."""

    values: tuple[str, ...]
    folder: Path
    files: tuple[Path, ...]
    bytes: int


@dataclass(frozen=True)
class TableFolder:
    """A table's root folder and what lies in it. `keys` are the partition keys' names."""

    folder: Path
    keys: tuple[str, ...]
    partitions: tuple[PartitionFolder, ...]


@dataclass(frozen=True)
class _File:
    folders: Folders  # between the table's root (at first: the target) and the file
    path: Path
    size: int


def find_tables(lake: Path, target: str, level: int | None, remark: Remark) -> list[TableFolder]:
    """List a target and return its tables; `remark` is told of every file that belongs to none.

    A target is one table where files or key=value folders lie in it; else each folder in it is a table. `level`
    (TableLevelConfiguration: the bucket is 1) says otherwise. Raises TargetError.
    """
    root = target_folder(lake, target)
    files = sorted(_data_files(root, ()), key=lambda file: file.path)
    own_level = len(root.relative_to(lake).parts)
    if level is not None:
        depth = max(0, level - own_level)
    else:
        depth = 0 if any(not file.folders or "=" in file.folders[0] for file in files) else 1
    grouped: dict[Folders, list[_File]] = defaultdict(list)
    for file in files:
        if len(file.folders) < depth:
            remark(f"WARN {_uri(lake, file.path)}: lies above the level of the tables, left out")
        else:
            grouped[file.folders[:depth]].append(_File(file.folders[depth:], file.path, file.size))
    return [_table(lake, root.joinpath(*folders), members, remark) for folders, members in grouped.items()]


def target_folder(lake: Path, target: str) -> Path:
    """Return the folder of an s3:// target. Raises TargetError for what is none, or whose bucket does not exist."""
    bucket, _, prefix = target.removeprefix("s3://").partition("/")
    names = [name for name in prefix.split("/") if name]
    if not target.startswith("s3://") or not bucket or bucket.startswith(".") or {".", ".."} & set(names):
        raise TargetError(f"target {target!r} is no s3://bucket/prefix")
    if not (lake / bucket).is_dir():
        raise TargetError(f"target {target}: bucket {bucket} does not exist")
    folder = lake.joinpath(bucket, *names)
    if folder.is_file():
        raise TargetError(f"target {target} is a file: name the folder that it lies in")
    return folder


def table_name(folder: Path, prefix: str) -> str:
    """Name a table after its folder: lower case, and `_` for what a name cannot hold."""
    return prefix.lower() + re.sub(r"[^a-z0-9_]", "_", folder.name.lower())


def _data_files(folder: Path, above: Folders) -> list[_File]:
    """List the files below, without empty ones and without names that start with `_` or `.`."""
    found: list[_File] = []
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return found
    for entry in entries:
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            found += _data_files(Path(entry.path), (*above, entry.name))
            continue
        try:
            size = entry.stat().st_size
        except FileNotFoundError:  # replaced or deleted meanwhile
            continue
        if size:
            found.append(_File(above, Path(entry.path), size))
    return found


def _table(lake: Path, root: Path, files: list[_File], remark: Remark) -> TableFolder:
    """Make a table of the files that share the most frequent partition keys."""
    keys = Counter(_keys(file.folders) for file in files).most_common(1)[0][0]
    partitions: dict[Folders, list[_File]] = defaultdict(list)
    for file in files:
        if _keys(file.folders) == keys:
            partitions[file.folders].append(file)
        else:
            found = "/".join(file.folders) or "no folder"
            expected = ", ".join(keys) or "none"
            remark(
                f"WARN {_uri(lake, file.path)}: lies in {found}, the table's partition keys are {expected}: left out"
            )
    return TableFolder(root, keys, tuple(_partition(root, *each) for each in sorted(partitions.items())))


def _partition(root: Path, folders: Folders, files: list[_File]) -> PartitionFolder:
    values = tuple(unquote(name.partition("=")[2] if "=" in name else name) for name in folders)
    return PartitionFolder(
        values, root.joinpath(*folders), tuple(file.path for file in files), sum(file.size for file in files)
    )


def _keys(folders: Folders) -> tuple[str, ...]:
    """Name the partition keys of nested folders: of key=value the key, of another folder partition_<n>."""
    return tuple(
        name.partition("=")[0].lower() if "=" in name else f"partition_{number}" for number, name in enumerate(folders)
    )


def _uri(lake: Path, path: Path) -> str:
    return "s3://" + path.relative_to(lake).as_posix()
