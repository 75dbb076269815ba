"""The command: wrong usage is one line with exit code 2, before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cli import classify, main


def workbench(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own, on a state folder of the test's."""
    environment = {**os.environ, "WORKBENCH_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "workbench", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--dataset", "student_performanc"], "did you mean student_performance"),
        (["run", "--profile", "lokal"], "did you mean local?"),
        (["run", "-p", "datset=x"], "did you mean dataset"),
        (["run", "-p", "dataset"], "expected name=value"),
        (["run", "-p", "as_of=yesterday"], "write it as YYYY-MM-DD"),
        (["run", "-p", "run_id=../x"], "other characters than letters"),
        (["rum"], "did you mean run"),
        (["run", "--fast"], "unrecognized arguments: --fast"),
        (["reset"], "say --yes"),
    ],
)
def test_wrong_usage_is_one_line_and_starts_nothing(arguments: list[str], says: str, home: Path) -> None:
    """A mistyped name exits 2 with the nearest ones, and leaves no file in the state folder."""
    done = workbench(*arguments, home=home)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not list(home.iterdir())


def test_verbose_adds_the_traceback(home: Path) -> None:
    """`--verbose` shows where an error came from, before the line itself."""
    done = workbench("--verbose", "run", "--dataset", "nothing", home=home)
    assert done.returncode == 2
    assert "Traceback" in done.stderr and done.stderr.splitlines()[-1].startswith(
        "workbench: dataset nothing is unknown"
    )


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command the help is printed and the code is that of wrong usage."""
    assert main([]) == 2
    shown = capsys.readouterr().out
    for name in ("run", "up", "down", "status", "env", "reset", "lab"):
        assert f"\n    {name} " in shown


def test_exit_codes_are_carried_by_the_type_of_an_error() -> None:
    """The class decides the code: a gate 3, a service 4, an unexpected error 1."""
    from helpers.errors import QualityGateError, ServiceError, UsageError
    from local_aws.errors import StackError

    assert classify(QualityGateError("rule"))[1] == 3
    assert classify(ServiceError("S3", "does not answer"))[1] == 4
    assert classify(StackError("server"))[1] == 4
    assert classify(UsageError("flag"))[1] == 2
    assert classify(RuntimeError("no idea"))[1] == 1
