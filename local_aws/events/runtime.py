"""The process that a function's code runs in: events in by standard input, results out, a line of JSON each.

Run as a file, in Python's isolated mode: nothing of this project is on the path of the function's code. It ends when
its standard input does, so that it never outlives the one that feeds it.
"""

import contextlib
import importlib
import io
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Context:
    """What a handler learns of its invocation, as far as AWS Lambda's context object is used here."""

    function_name: str
    aws_request_id: str
    deadline: float

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the handler may still take."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


def answer(call: dict[str, Any], handler: Any) -> dict[str, Any]:
    """Invoke the handler once; what it prints is in the answer, too."""
    printed = io.StringIO()
    context = Context(os.environ["AWS_LAMBDA_FUNCTION_NAME"], call["id"], time.monotonic() + call["timeout"])
    try:
        with contextlib.redirect_stdout(printed):
            result = handler(call["event"], context)
        document = {"result": result}
        json.dumps(document)
    except Exception as error:
        traceback.print_exc()
        document = {"error": f"{type(error).__name__}: {error}"}
    return {**document, "printed": printed.getvalue().splitlines()}


def main(folder: str, handler: str) -> None:
    """Import the handler and answer until there is nothing more to read."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints at its import must not be read as a result
    sys.path.insert(0, folder)
    module, _, name = handler.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        results.write(json.dumps(answer(json.loads(line), function)) + "\n")
        results.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
