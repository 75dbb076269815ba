"""Progress: nothing but one line where nobody watches."""

import subprocess
import sys

import pytest

from helpers.progress import ProgressLine


def test_one_line_is_left_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal or a notebook, the end of the call is one line on standard error."""
    with ProgressLine("copying", total=10) as progress:
        progress.advance(4)
        progress.advance(6)
        progress.say("done")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("copying 100%: done (")
    assert said.err.count("\n") == 1


def test_a_failing_call_leaves_the_line_to_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An error is the last thing that a reader sees."""
    with pytest.raises(ValueError, match="broken"), ProgressLine("copying"):
        raise ValueError("broken")
    assert capsys.readouterr().err == ""


def test_nothing_of_a_notebook_is_imported_outside_of_one() -> None:
    """A script that uses the helpers pays nothing for IPython."""
    code = (
        "import sys; from helpers.progress import ProgressLine\n"
        "with ProgressLine('x') as p: p.advance(1)\n"
        "assert 'IPython' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
