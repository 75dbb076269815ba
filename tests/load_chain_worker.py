"""Step 04 and its commands in the checkout that is the working directory, whose datasets are a test's own.

Each line of standard input is a JSON list: ["load", DATASET], or what follows `workbench` on a command line. The answer
is one JSON line: what the load returned, or the command's exit code and what it said.
"""

import contextlib
import io
import json
import os
import sys
from typing import Any

sys.path.insert(0, os.getcwd())  # before the packages that are installed


def answer(arguments: list[str]) -> dict[str, Any]:
    """Load a dataset or run a command."""
    from helpers.config import build_config
    from helpers.load_postgres import load_tables
    from workbench.cli import main

    if arguments[0] == "load":
        result = load_tables(build_config(arguments[1]))
        return {"changed": result.changed, "rows": result.loaded, "verified": result.verified}
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(arguments)
    return {"code": code, "said": said.getvalue()}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
