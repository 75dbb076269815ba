"""The lake's folder and its record file, without a server: sweeping, identities, refusals at the start."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from services_s3 import write_secrets

from local_aws.errors import LakeError, ServiceError, StackError
from local_aws.s3.index import Attributes, Index, Record
from local_aws.s3.lake import Clock, Identity, Lake, identity_at
from local_aws.s3.rclone import build_command
from local_aws.s3.routes import Service


def old(path: Path) -> None:
    """Make a folder look as if nothing had happened in it for two hours."""
    os.utime(path, (time.time() - 7200,) * 2)


def test_sweep_removes_leftovers_alone(home: Path) -> None:
    """Staged files, rclone's temporary files and folders empty for an hour go; buckets and files stay."""
    lake = Lake(home)
    for folder in ("empty-bucket", "bkt/old/older", "bkt/young", "bkt/full"):
        (lake.root / folder).mkdir(parents=True)
    (lake.root / "bkt" / "full" / "file").write_text("x")
    (lake.root / "bkt" / "full" / ".rclone_temp_put_1").write_text("x")
    (lake.staging / "left.tmp").write_text("x")
    for folder in ("empty-bucket", "bkt/old/older", "bkt/old", "bkt/full"):
        old(lake.root / folder)
    assert lake.sweep() == 2
    assert not (lake.root / "bkt" / "old" / "older").exists()
    there = sorted(str(path.relative_to(lake.root)) for path in lake.root.rglob("*"))
    assert [name for name in there if name != "bkt/old"] == [
        "bkt",
        "bkt/full",
        "bkt/full/file",
        "bkt/young",
        "empty-bucket",
    ]


def test_records_of_vanished_files_are_forgotten_at_the_start(home: Path) -> None:
    """A record stays with its file through a start, and goes with it."""
    write_secrets(home)
    service = Service(home, 1)
    (service.lake.root / "bkt").mkdir()
    for key in ("kept", "gone"):
        path = service.lake.root / "bkt" / key
        path.write_text(key)
        identity = identity_at(str(path))
        assert identity is not None
        service.index.remember("bkt", key, identity, Record("etag", Attributes(metadata={"a": "1"})))
    path.unlink()
    service.sweep()
    assert len(service.index.etags("bkt", ["kept", "gone"])) == 1
    service.index.close()


def test_clock_never_gives_a_time_twice() -> None:
    """Two files made at once have different identities, whatever their inode."""
    clock = Clock()
    ticks = [clock.tick() for _ in range(1000)]
    assert ticks == sorted(set(ticks))


def test_failed_write_leaves_no_file(home: Path) -> None:
    """What was staged and not placed is gone when the block ends, also by an error."""
    lake = Lake(home)
    with pytest.raises(ServiceError, match="stop"), lake.staged() as staged:
        staged.write(memoryview(b"x"))
        raise ServiceError("X", "stop")
    assert not list(lake.staging.iterdir())


def test_placed_file_is_the_sealed_one(home: Path) -> None:
    """The identity that sealing gives is that of the file in its place."""
    lake = Lake(home)
    (lake.root / "bkt").mkdir()
    target = lake.path("bkt", "a/b")
    with lake.staged() as staged:
        staged.write(memoryview(b"content"))
        identity = staged.seal()
        lake.place(staged, target)
    assert identity_at(target) == identity == Identity(identity.inode, 7, identity.mtime_ns)


def test_broken_record_file_is_named(home: Path) -> None:
    """A record file that is none is one line that says what to do."""
    (home / "objects.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(LakeError, match=r"objects\.sqlite cannot be used .* move it away"):
        Index(home / "objects.sqlite")


def test_missing_key_is_named(home: Path) -> None:
    """Without the front's own key neither server starts, and the file is named."""
    with pytest.raises(StackError, match=r"aws-s3front\.json is missing .*workbench up"):
        build_command(home, 1)
    command = [sys.executable, "-m", "local_aws.s3", "--home", str(home), "--port", "0", "--rclone-port", "1"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (run.returncode, len(run.stderr.splitlines())) == (4, 1)
