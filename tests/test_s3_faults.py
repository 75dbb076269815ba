"""What a reader sees while objects are overwritten, servers are killed and disks are full: whole versions only."""

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from services_s3 import S3Stack, s3_stack

MIB = 1 << 20


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[S3Stack]:
    with s3_stack(tmp_path / "home") as running:
        running.client().create_bucket(Bucket="bkt")
        yield running


def version(number: int) -> bytes:
    """A body that says which it is, of a size of its own."""
    return f"version {number} ".encode() * (20 + number % 50 * 40)


def check(answer: Any) -> None:
    """The body is whole, and the ETag and the metadata are those of this very body."""
    body = answer["Body"].read()
    assert answer["ETag"].strip('"') == hashlib.md5(body).hexdigest()
    number = int(body.split(b" ")[1])
    assert body == version(number)
    assert answer["Metadata"] == {"number": str(number)}


def overwrite(s3: Any, numbers: range) -> None:
    """Put versions of one key, each third by a copy."""
    for number in numbers:
        key = "staged" if number % 3 == 0 else "k"
        s3.put_object(Bucket="bkt", Key=key, Body=version(number), Metadata={"number": str(number)})
        if key == "staged":
            s3.copy_object(Bucket="bkt", Key="k", CopySource="bkt/staged")


@contextlib.contextmanager
def readers(*works: Callable[[], None]) -> Iterator[None]:
    """Repeat each work in a thread of its own until the block ends; raise the first failure."""
    stop, failures = threading.Event(), []

    def repeat(work: Callable[[], None]) -> None:
        while not stop.is_set():
            try:
                work()
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    if failures:
        raise failures[0]


def run_overwrites(stack: S3Stack, count: int) -> None:
    s3 = stack.client()
    path = stack.lake / "bkt" / "k"
    overwrite(s3, range(1, 2))
    counts = {"get": 0, "list": 0, "file": 0}
    sizes = {f'"{hashlib.md5(version(number)).hexdigest()}"': len(version(number)) for number in range(1, count + 1)}

    def get() -> None:
        check(s3.get_object(Bucket="bkt", Key="k"))
        counts["get"] += 1

    def listing() -> None:
        lines = [line for line in s3.list_objects_v2(Bucket="bkt")["Contents"] if line["Key"] == "k"]
        assert [line["Size"] for line in lines] == [sizes[line["ETag"]] for line in lines] != []
        counts["list"] += 1

    def file() -> None:
        body = path.read_bytes()
        assert body == version(int(body.split(b" ")[1]))
        counts["file"] += 1
        time.sleep(0.0005)  # the others are threads of this process, and want their turn

    with readers(get, listing, file):
        overwrite(s3, range(2, count + 1))
    s3.close()
    assert min(counts.values()) > 0


def test_readers_see_whole_versions_while_one_writes(stack: S3Stack) -> None:
    """300 overwrites under three readers: never absent, never one version's body with another's ETag."""
    run_overwrites(stack, 300)


@pytest.mark.slow
def test_readers_see_whole_versions_for_long(stack: S3Stack) -> None:
    """The same over 5,000 overwrites."""
    run_overwrites(stack, 5000)


def test_direct_replacements_keep_body_and_etag_together(stack: S3Stack) -> None:
    """Another program replaces the file by rename all the while: GET gives one version's body and ETag."""
    s3 = stack.client()
    path, temporary = stack.lake / "bkt" / "k", stack.home / "temporary"

    def replace(number: int) -> None:
        temporary.write_bytes(version(number))
        os.replace(temporary, path)

    def get() -> None:
        answer = s3.get_object(Bucket="bkt", Key="k")
        assert answer["ETag"].strip('"') == hashlib.md5(answer["Body"].read()).hexdigest()

    replace(0)
    with readers(get, get):
        for number in range(500):
            replace(number)
    s3.close()


def kill_and_look(stack: S3Stack, name: str, rng: random.Random) -> None:
    """Kill one server within overwrites, look at the file, start the server again, look at the object."""
    s3 = stack.client()
    overwrite(s3, range(1, 2))

    def write() -> None:
        with contextlib.suppress(ClientError, BotoCoreError):
            overwrite(s3, range(rng.randrange(2, 1000), 1000))

    writers = [threading.Thread(target=write, daemon=True) for _ in range(2)]
    for writer in writers:
        writer.start()
    time.sleep(rng.uniform(0.02, 0.15))
    stack.kill(name)
    stack.kill("rclone" if name == "front" else "front", signal.SIGKILL)
    for writer in writers:
        writer.join(30)
    body = (stack.lake / "bkt" / "k").read_bytes()
    assert body == version(int(body.split(b" ")[1]))
    stack.start()
    check(s3.get_object(Bucket="bkt", Key="k"))
    s3.close()
    assert not list((stack.home / "uploads").iterdir())
    assert not [path for path in stack.lake.rglob(".*") if path.is_file()]


@pytest.mark.parametrize("name", ["front", "rclone"])
def test_killed_servers_leave_whole_objects(stack: S3Stack, name: str) -> None:
    """After kill -9 within overwrites the object is whole, old or new, with its metadata; no temporary file is left."""
    rng = random.Random(name)
    for _ in range(3):
        kill_and_look(stack, name, rng)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_servers_leave_whole_objects_often(stack: S3Stack, seed: int) -> None:
    """The same, 20 seeds."""
    rng = random.Random(seed)
    kill_and_look(stack, rng.choice(["front", "rclone"]), rng)


def test_objects_are_served_without_rclone(stack: S3Stack) -> None:
    """With rclone killed objects are served on; what needs it says so and what to do."""
    s3 = stack.client()
    stack.kill("rclone")
    s3.put_object(Bucket="bkt", Key="k", Body=b"x")
    assert s3.get_object(Bucket="bkt", Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError, match=r"ServiceUnavailable.*rclone.*workbench up"):
        s3.list_buckets()
    stack.start("rclone")
    assert s3.list_buckets()["Buckets"][0]["Name"] == "bkt"
    s3.close()


def test_full_disk_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    """No space: an error that says so, the old object intact, no temporary file; then a small object fits again.

    The limit of the size of a file stands for the full disk: it meets any user, and writing fails in the same place.
    """
    with s3_stack(tmp_path / "home", limits="ulimit -f 4096") as stack:
        s3 = stack.client()
        s3.create_bucket(Bucket="bkt")
        s3.put_object(Bucket="bkt", Key="k", Body=b"before", Metadata={"a": "1"})
        with pytest.raises(ClientError, match=r"InternalError.*no space left") as raised:
            s3.put_object(Bucket="bkt", Key="k", Body=b"x" * 12 * MIB)
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 507
        answer = s3.get_object(Bucket="bkt", Key="k")
        assert (answer["Body"].read(), answer["Metadata"]) == (b"before", {"a": "1"})
        assert not list((stack.home / "uploads").iterdir())
        s3.put_object(Bucket="bkt", Key="k", Body=b"after")
        s3.close()
        assert "no space left" in (stack.home / "logs" / "front.log").read_text()


def test_really_full_disk(tmp_path: Path) -> None:
    """The same again and again, on a filesystem of 8 MiB; where none may be mounted, files of 8 MiB are the limit."""
    home = tmp_path / "home"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0711", "tmpfs", str(home)]
    mounted = subprocess.run(mount, capture_output=True).returncode == 0
    try:
        with s3_stack(home, limits="" if mounted else "ulimit -f 8192") as stack:
            s3 = stack.client()
            s3.create_bucket(Bucket="bkt")
            s3.put_object(Bucket="bkt", Key="k", Body=b"before")
            for _ in range(2):
                with pytest.raises(ClientError, match="no space left"):
                    s3.put_object(Bucket="bkt", Key="k", Body=b"x" * 12 * MIB)
            assert s3.get_object(Bucket="bkt", Key="k")["Body"].read() == b"before"
            s3.put_object(Bucket="bkt", Key="k", Body=b"x" * MIB)
            s3.close()
    finally:
        if mounted:
            subprocess.run(["umount", str(home)], check=True)


def test_front_ends_at_sigterm(stack: S3Stack) -> None:
    """SIGTERM ends the front, with connections open and idle, and with code 0."""
    s3 = stack.client()
    s3.list_buckets()
    process = stack.processes["front"]
    stack.kill("front", signal.SIGTERM)
    s3.close()
    assert process.returncode == 0


def test_taken_port_is_one_line(stack: S3Stack) -> None:
    """A second front on the same port says so in one line, and ends with code 4."""
    command = [sys.executable, "-m", "local_aws.s3", "--home", str(stack.home), "--port", str(stack.port)]
    run = subprocess.run([*command, "--rclone-port", "1"], capture_output=True, text=True, timeout=30)
    assert (run.returncode, len(run.stderr.splitlines())) == (4, 1)
    assert "in use" in run.stderr
