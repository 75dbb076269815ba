"""The process of one job run: it starts Spark's JVM, runs the script as __main__, and writes down how it ended.

Started by path, as `python job_process.py MODE SPECIFICATION FD`; the mode is run, archive, or standby: a process that
starts its JVM and warms it up before there is a script, and then runs one, once.
It imports nothing of this project, so that a script sees only what it would see on Glue. FD is one end of a socket
pair to the control plane: it is told in a word when a standby is ready, and when the script is running; the end of the
stream (the control plane is gone, however it ended) kills this process with its whole group.
"""

import atexit
import contextlib
import importlib
import json
import os
import queue
import runpy
import select
import signal
import socket
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
RELAY_SECONDS = 2.0
COMPILER_SECONDS, COMPILER_PAUSE = 30.0, 0.5
COMPILER_TICKS = 5  # of CPU, a hundredth of a second each: it has no more than that to do in such a pause
COMPILER_NICENESS = 10  # about a tenth of a core where threads of the run want all of them


class SparkStartError(Exception):
    """The JVM ended, or did not answer, before the script could start."""


def main(mode: str, specification: str, descriptor: str) -> int:
    """Run the script or build the archive; return the process's exit code."""
    ending: list[int] = []
    atexit.register(_leave, ending)  # before all others, so that it is called after them
    ending.append(_perform(mode, specification, descriptor))
    return ending[0]


def _leave(ending: list[int]) -> None:
    """End without taking the interpreter apart, which takes as long as a few of Spark's tasks."""
    if ending:
        sys.stdout.flush()
        sys.stderr.flush()
        _finish_relays()
        os._exit(ending[0])


def _perform(mode: str, specification: str, descriptor: str) -> int:
    channel, logs = int(descriptor), queue.SimpleQueue[int]()
    threading.Thread(target=_end_with_the_control_plane, args=(channel, logs), daemon=True).start()
    wanted: dict[str, Any] = json.loads(Path(specification).read_text(encoding="utf-8"))
    if mode == "archive":
        os.nice(19)  # it takes most of a minute of CPU, and nobody waits for it
        return subprocess.run(wanted["command"], stdin=subprocess.DEVNULL, check=False).returncode
    jvm, failure = _start(wanted, relayed=mode == "standby")
    if mode == "standby":
        if failure is None:
            _warm_up(wanted)
            _await_compiler(jvm.pid)
            print("this process stands ready", flush=True)  # in its own log; a run's begins with the next line
            os.write(channel, b"ready\n")
        log = logs.get()
        if wanted["compiler_gives_way"]:
            for number in _find_compiler(jvm.pid):
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, number, COMPILER_NICENESS)
        _finish_relays()
        for number in (1, 2):
            os.dup2(log, number)
        wanted = json.loads(Path(specification).read_text(encoding="utf-8"))
    message, code = (failure, 1) if failure is not None else _run(wanted, jvm, channel)
    _write_result(Path(wanted["result"]), message, code)
    return code


def _start(wanted: dict[str, Any], relayed: bool) -> "tuple[subprocess.Popen[bytes], str | None]":
    """Start the JVM; return it, and why it did not start, if it did not."""
    jvm = _launch_jvm(wanted, relayed)
    try:
        port, secret = _await_jvm(jvm, Path(wanted["work"]))
    except SparkStartError as error:
        print(error, file=sys.stderr)
        return jvm, str(error)
    os.environ.update(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret)
    return jvm, None


def _run(wanted: dict[str, Any], jvm: "subprocess.Popen[bytes]", channel: int) -> tuple[str | None, int]:
    script = wanted["script"]
    sys.path[0] = os.path.dirname(script)
    importlib.invalidate_caches()  # its modules came after this process looked into their folder
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


def _warm_up(wanted: dict[str, Any]) -> None:
    """Do what job_rehearsal.py does."""
    runpy.run_path(str(Path(__file__).with_name("job_rehearsal.py")))["warm_up"](wanted)


def _find_compiler(pid: int) -> list[int]:
    """Return the threads of the JVM's second compiler."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            if (task / "comm").read_text().startswith("C2 "):
                found.append(int(task.name))
    return found


def _await_compiler(pid: int) -> None:
    """Wait until the JVM's second compiler has done what the rehearsal gave it."""
    deadline, before = time.monotonic() + COMPILER_SECONDS, -1.0
    while time.monotonic() < deadline:
        ticks = 0
        for number in _find_compiler(pid):
            with contextlib.suppress(OSError):
                ticks += int(Path(f"/proc/{pid}/task/{number}/stat").read_text().rpartition(")")[2].split()[11])
        if before >= 0 and ticks - before <= COMPILER_TICKS:
            return
        before = ticks
        time.sleep(COMPILER_PAUSE)


class _Relay(threading.Thread):
    """Pass on what the JVM prints to wherever this process prints now: a standby's log is the run's only later."""

    def __init__(self, reading: int) -> None:
        super().__init__(daemon=True)
        self._reading, self._passing = reading, threading.Lock()

    def run(self) -> None:
        """Pass on block by block until the JVM has closed its end; nothing is taken but under the lock."""
        while True:
            select.select([self._reading], [], [])
            with self._passing:
                block = os.read(self._reading, 1 << 16)
                os.write(2, block)
            if not block:
                return

    def finish(self) -> None:
        """Wait until what the JVM has printed up to now is passed on."""
        deadline = time.monotonic() + RELAY_SECONDS
        while time.monotonic() < deadline and self.is_alive():
            with self._passing:
                if not select.select([self._reading], [], [], 0)[0]:
                    return
            time.sleep(0.001)


def _finish_relays() -> None:
    for thread in threading.enumerate():
        if isinstance(thread, _Relay):
            thread.finish()


def _launch_jvm(wanted: dict[str, Any], relayed: bool) -> "subprocess.Popen[bytes]":
    """Start the gateway. It lives until this process is gone, so that nothing in here ever misses it.

    Spark's gateway ends when its standard input does. The writing end is a plain descriptor, which the interpreter,
    unlike a file object, does not close while it still collects objects that speak to the JVM.
    """
    reading, _ = os.pipe()
    environment = {**os.environ, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(Path(wanted["work"]) / "gateway")}
    if not relayed:
        jvm = subprocess.Popen(wanted["java"], env=environment, stdin=reading)
        os.close(reading)
        return jvm
    told, telling = os.pipe()
    jvm = subprocess.Popen(wanted["java"], env=environment, stdin=reading, stdout=telling, stderr=telling)
    for descriptor in (reading, telling):
        os.close(descriptor)
    _Relay(told).start()
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


def _end_with_the_control_plane(channel: int, logs: "queue.SimpleQueue[int]") -> None:
    """Hand on the log that a standby is given with its run; when the control plane is gone, kill the whole group."""
    with socket.socket(fileno=os.dup(channel)) as heard:
        try:
            while True:
                word, descriptors, _, _ = socket.recv_fds(heard, 64, 1)
                if not word:
                    break
                for descriptor in descriptors:
                    logs.put(descriptor)
        except OSError:
            pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
