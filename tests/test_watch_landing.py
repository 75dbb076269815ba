"""Files that come into the lake: told of once each, when whole; what is no object is named."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.events.landing import SETTLE_SECONDS, Landed, Landing


class Beach:
    """A lake with one bucket and what its landing said."""

    def __init__(self, folder: Path) -> None:
        self.bucket = folder / "bucket"
        self.bucket.mkdir()
        self.said: list[str] = []
        self.landing = Landing(folder, self.said.append)
        self.landing.start(["bucket"])

    def settle(self, count: int, seconds: float = 10.0) -> list[Landed]:
        """Return what landed, once there are so many, or when nothing more comes."""
        landed: list[Landed] = []
        deadline = time.monotonic() + seconds
        while len(landed) < count and time.monotonic() < deadline:
            landed += self.landing.settle()
            time.sleep(0.05)
        return landed


@pytest.fixture
def beach(tmp_path: Path) -> Iterator[Beach]:
    """A watched lake."""
    made = Beach(tmp_path)
    yield made
    made.landing.close()


def test_a_file_that_is_dropped_in_is_told_of_once(beach: Beach) -> None:
    """In a new folder, too; reading it or looking again tells nothing."""
    (beach.bucket / "d" / "day=1").mkdir(parents=True)
    (beach.bucket / "d" / "day=1" / "a b.csv").write_bytes(b"12345")
    [found] = beach.settle(1)
    assert (found.bucket, found.key, found.size) == ("bucket", "d/day=1/a b.csv", 5)
    (beach.bucket / "d" / "day=1" / "a b.csv").read_bytes()
    beach.landing.note("bucket", found.key)
    assert beach.settle(1, 3 * SETTLE_SECONDS) == []


def test_a_new_version_is_told_of_again(beach: Beach) -> None:
    """A file that is replaced by a rename, as the S3 front does it, is another object version."""
    for text in ("one", "another"):
        (beach.bucket / ".part").write_text(text)
        os.replace(beach.bucket / ".part", beach.bucket / "a.csv")
        assert [found.size for found in beach.settle(1) if found.key == "a.csv"] == [len(text)]


def test_a_growing_file_waits_until_it_is_whole(beach: Beach) -> None:
    """While it grows nothing is told; then its whole size is."""
    with (beach.bucket / "a.csv").open("wb", buffering=0) as file:
        for _ in range(8):
            file.write(b"x" * 10)
            assert beach.settle(1, SETTLE_SECONDS / 2) == []
    assert [found.size for found in beach.settle(1)] == [80]


def test_a_file_that_vanishes_is_named(beach: Beach) -> None:
    """It was seen and is gone before it was whole: a line with its key, and the others go on."""
    (beach.bucket / "gone.csv").write_text("x")
    (beach.bucket / "kept.csv").write_text("x")
    deadline = time.monotonic() + 10
    while not beach.landing.settle() and ("bucket", "gone.csv") not in beach.landing.pending():
        assert time.monotonic() < deadline
    (beach.bucket / "gone.csv").unlink()
    assert [found.key for found in beach.settle(1)] == ["kept.csv"]
    assert beach.said == ["s3://bucket/gone.csv vanished before it was whole"]


def test_what_is_no_object_is_named(beach: Beach) -> None:
    """A link to itself, a pipe and a name that S3 has not are passed over with their keys."""
    (beach.bucket / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(beach.bucket / "pipe.csv")
    (beach.bucket / "back\\slash.csv").write_text("x")
    (beach.bucket / "good.csv").write_text("x")
    for name in ("loop.csv", "pipe.csv"):
        beach.landing.note("bucket", name)
    assert [found.key for found in beach.settle(1)] == ["good.csv"]
    beach.settle(1, 2 * SETTLE_SECONDS)
    told = " ".join(beach.said)
    assert "loop.csv is passed over: it cannot be read" in told
    assert "pipe.csv is passed over: it is no regular file" in told
    assert "back\\slash.csv is passed over" in told


def test_a_burst_is_told_of_whole(beach: Beach) -> None:
    """Files in many new folders, made faster than they are watched: what watchdog missed, a listing notes."""
    keys = {f"d/part={number:03d}/{file}.csv" for number in range(100) for file in range(3)}
    for key in keys:
        (beach.bucket / key).parent.mkdir(parents=True, exist_ok=True)
        (beach.bucket / key).write_text("x")
    landed = {found.key for found in beach.settle(len(keys), 2.0)}
    for key in keys:
        beach.landing.note_unless_told("bucket", key)
    again = {found.key for found in beach.settle(len(keys) - len(landed))}
    assert landed | again == keys and not landed & again
