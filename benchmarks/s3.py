"""S3: the front against rclone alone, streaming one large object each way; `python -m benchmarks.s3` prints the ratios.

Both servers run in the same minutes over folders on the same filesystem. The client is as plain as can be (one
connection, an unsigned payload, no checksums), so that what is measured is the server. Both directions take the
median of alternating runs; the first run of each is thrown away.
"""

import contextlib
import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import watch_peak
from local_aws.s3.rclone import build_command, front_key
from local_aws.signing import SignedRequest, sign_request

SIZE = 256 << 20
RUNS = 5
_PIECE = 1 << 20


@dataclass(frozen=True)
class Server:
    """One server under measurement."""

    process: subprocess.Popen[bytes]
    port: int
    home: Path


def measure(size: int = SIZE, runs: int = RUNS) -> list[dict[str, object]]:
    """Measure PUT and GET of `size` bytes; return one result a direction, in MB/s (10^6 bytes), medians of `runs`."""
    results: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="bench-s3-") as folder, servers(Path(folder)) as (ours, theirs):
        for server in (ours, theirs):
            _send(server, "PUT", "/bench", b"")
        data = secrets.token_bytes(_PIECE) * (size // _PIECE)
        for name, call in (("s3_put_vs_rclone", _put), ("s3_get_vs_rclone", _get)):
            seconds, peak = _alternate(call, (ours, theirs), data, runs)
            rates = [round(len(data) / 1e6 / statistics.median(values), 1) for values in seconds]
            results.append(
                {
                    "name": name, "ratio": round(rates[0] / rates[1], 3), "ours": rates[0], "theirs": rates[1],
                    "unit": "MB/s", "runs": runs, "peak_rss_mb": peak, "size": f"{size >> 20} MiB",
                }
            )  # fmt: skip
    return results


Call = Callable[[Server, bytes, int], None]


def _alternate(call: Call, both: tuple[Server, Server], data: bytes, runs: int) -> tuple[list[list[float]], float]:
    """Time `call` on both servers in turn; return the seconds of each and the peak memory of ours in MB."""
    seconds: list[list[float]] = [[], []]
    with watch_peak(both[0].process.pid) as peaks:
        for run in range(runs + 1):
            for index, server in enumerate(both):
                started = time.perf_counter()
                call(server, data, run)
                if run:
                    seconds[index].append(time.perf_counter() - started)
    return seconds, max(peaks, default=0.0)


def _put(server: Server, data: bytes, run: int) -> None:
    """Put a new key each time: an overwrite costs rclone another way."""
    _send(server, "PUT", f"/bench/object-{run}", data)
    (server.home / "lake" / "bench" / f"object-{run}").replace(server.home / "lake" / "bench" / "object")


def _get(server: Server, data: bytes, run: int) -> None:
    _send(server, "GET", "/bench/object", b"", expected=len(data))


def _send(server: Server, method: str, path: str, body: bytes, expected: int = 0) -> None:
    headers = {"host": f"127.0.0.1:{server.port}", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    signed = sign_request(SignedRequest(method, path, "", headers), front_key(server.home), ("us-east-1", "s3"))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    with contextlib.closing(connection):
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in (signed | {"content-length": str(len(body))}).items():
            connection.putheader(name, value)
        connection.endheaders()
        if body:
            connection.sock.sendall(body)
        answer = connection.getresponse()
        got, buffer = 0, bytearray(_PIECE)
        while size := answer.readinto(buffer):
            got += size
    if answer.status != 200 or (expected and got != expected):
        raise RuntimeError(f"{method} {path}: {answer.status}, {got} bytes instead of {expected}")


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[Server, Server]]:
    """Start the front (with its rclone) and an rclone alone, each over a lake of its own."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        ports = _free_ports(3)
        homes = [_home(folder / name) for name in ("front", "rclone")]
        for home, port in zip(homes, ports, strict=False):
            command, environment = build_command(home, port)
            running.append(_start(command, environment))
        front = [sys.executable, "-m", "local_aws.s3", "--home", str(homes[0]), "--port", str(ports[2])]
        running.append(_start([*front, "--rclone-port", str(ports[0])], dict(os.environ)))
        for port in ports:
            _await(port)
        yield Server(running[2], ports[2], homes[0]), Server(running[1], ports[1], homes[1])
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(10)


def _home(path: Path) -> Path:
    (path / "lake").mkdir(parents=True)
    (path / "secrets").mkdir(mode=0o700)
    key = {"access_key_id": "AKIA" + secrets.token_hex(8).upper(), "secret_access_key": secrets.token_urlsafe(30)}
    (path / "secrets" / "aws-s3front.json").write_text(json.dumps(key))
    return path


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet)


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.socket()) for _ in range(number)]
        for sock in socks:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in socks]


def _await(port: int) -> None:
    for _ in range(1000):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port}")


def main() -> None:
    """Print one line a direction."""
    for result in measure():
        print(
            "{name}: {ratio} ({ours} against {theirs} {unit}, {runs} runs, {peak_rss_mb} MB at most)".format(**result)
        )


if __name__ == "__main__":
    main()
