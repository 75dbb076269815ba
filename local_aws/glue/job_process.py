"""The process of one job run: it starts Spark's JVM, runs the script as __main__, and writes down how it ended.

Started by path, as `python job_process.py run SPECIFICATION FD` or `python job_process.py archive SPECIFICATION FD`;
it imports nothing of this project, so that a script sees only what it would see on Glue. FD is one end of a socket
pair to the control plane: a word is sent when the script starts, and the end of the stream (the control plane is
gone, however it ended) kills this process with its whole group.
"""

import json
import os
import runpy
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

JVM_SECONDS = 120.0
OUT_OF_MEMORY = 3  # the exit code of -XX:+ExitOnOutOfMemoryError
MESSAGE_CHARACTERS = 2000


class SparkStartError(Exception):
    """The JVM ended, or did not answer, before the script could start."""


def main(mode: str, specification: str, descriptor: str) -> int:
    """Run the script or build the archive; return the process's exit code."""
    channel = int(descriptor)
    threading.Thread(target=_end_with_the_control_plane, args=(channel,), daemon=True).start()
    wanted: dict[str, Any] = json.loads(Path(specification).read_text(encoding="utf-8"))
    if mode == "archive":
        os.nice(19)  # it takes most of a minute of CPU, and nobody waits for it
        return subprocess.run(wanted["command"], stdin=subprocess.DEVNULL, check=False).returncode
    message, code = _run(wanted, channel)
    _write_result(Path(wanted["result"]), message, code)
    return code


def _run(wanted: dict[str, Any], channel: int) -> tuple[str | None, int]:
    script = wanted["script"]
    sys.path[0] = os.path.dirname(script)
    jvm = _launch_jvm(wanted)
    try:
        port, secret = _await_jvm(jvm, Path(wanted["work"]))
    except SparkStartError as error:
        print(error, file=sys.stderr)
        return str(error), 1
    os.environ.update(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret)
    os.write(channel, b"running\n")
    sys.argv[:] = [script, *wanted["argv"]]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ending:
        return _of_exit(ending)
    except BaseException as error:
        traceback.print_exception(type(error), error, _from_script(error.__traceback__, script))
        return error_line(error) + _jvm_ending(jvm), 1
    return None, 0


def _launch_jvm(wanted: dict[str, Any]) -> "subprocess.Popen[bytes]":
    """Start the gateway. It lives until this process is gone, so that nothing in here ever misses it.

    Spark's gateway ends when its standard input does. The writing end is a plain descriptor, which the interpreter,
    unlike a file object, does not close while it still collects objects that speak to the JVM.
    """
    reading, _ = os.pipe()
    environment = {**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(Path(wanted["work"]) / "gateway")}
    jvm = subprocess.Popen(wanted["java"], env=environment, stdin=reading)
    os.close(reading)
    return jvm


def _await_jvm(jvm: "subprocess.Popen[bytes]", work: Path) -> tuple[int, str]:
    """Return the gateway's port and secret; PySpark is imported while the JVM loads."""
    import pyspark.sql  # noqa: F401

    information = work / "gateway"
    deadline = time.monotonic() + JVM_SECONDS
    while not information.exists():
        if jvm.poll() is not None:
            raise SparkStartError(f"Spark did not start: its JVM ended with code {jvm.returncode}; see the run's log")
        if time.monotonic() > deadline:
            raise SparkStartError(f"Spark did not start within {JVM_SECONDS:.0f} s; see the run's log")
        time.sleep(0.005)
    raw = information.read_bytes()  # written under another name and renamed by Spark, so it is whole
    information.unlink()
    port, length = struct.unpack("!ii", raw[:8])
    return port, raw[8 : 8 + length].decode("utf-8")


def _jvm_ending(jvm: "subprocess.Popen[bytes]") -> str:
    """Explain an exception that was only the echo of the JVM's end; empty where the JVM lives."""
    code = jvm.poll()
    if code is None:
        return ""
    reason = "out of memory: set WORKBENCH_SPARK_MEMORY to more" if code == OUT_OF_MEMORY else "see the run's log"
    return f" (Spark's JVM ended with code {code}; {reason})"


def _of_exit(ending: SystemExit) -> tuple[str | None, int]:
    if ending.code in (None, 0):
        return None, 0
    if isinstance(ending.code, int):
        return f"SystemExit: {ending.code}", ending.code % 256 or 1
    print(ending.code, file=sys.stderr)
    return f"SystemExit: {_first_line(str(ending.code))}", 1


def error_line(error: BaseException) -> str:
    """Say an exception in one line; of a Spark error, its cause: a Python worker's exception, or the last Caused by."""
    name = type(error).__name__
    try:
        lines = [line.rstrip() for line in str(error).splitlines() if line.strip()]
    except Exception:  # Py4J asks the JVM for its text, which may be gone
        lines = []
    for index, line in enumerate(lines):
        if line.strip().startswith("Traceback (most recent call last)"):
            inner = next((each for each in lines[index + 1 :] if not each.startswith((" ", "\t"))), "")
            return _first_line(f"{name}: {inner}") if inner else name
    causes = [line.strip() for line in lines if line.strip().startswith("Caused by: ")]
    if causes:
        return _first_line(f"{name}: {causes[-1].removeprefix('Caused by: ')}")
    thrown = [line for line in lines if name.startswith("Py4J") and line.startswith(": ")]
    text = thrown[0].removeprefix(": ") if thrown else (lines[0].strip() if lines else "")
    return _first_line(f"{name}: {text}") if text else name


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:MESSAGE_CHARACTERS] if lines else ""


def _from_script(trace: TracebackType | None, script: str) -> TracebackType | None:
    """Leave out the frames above the script's own first one."""
    start = trace
    while start is not None and start.tb_frame.f_code.co_filename != script:
        start = start.tb_next
    return start or trace


def _write_result(path: Path, message: str | None, code: int) -> None:
    sys.stdout.flush()
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps({"message": message, "code": code}), encoding="utf-8")
    os.replace(temporary, path)


def _end_with_the_control_plane(channel: int) -> None:
    try:
        while os.read(channel, 64):
            pass
    except OSError:
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
