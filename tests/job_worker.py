"""Run the job again and again in one process: arguments come as JSON lines, an answer goes out for each.

Spark starts once instead of for each run. What runs is job.main, as Glue would call it; every other run has its
expressions compiled and is planned anew behind each shuffle, as a large run is: both ways must give the same.
"""

import json
import os
import sys

import evaluation
import job

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the JVM says on its standard output is no answer
SMALL_BYTES = evaluation.SMALL_BYTES
for number, line in enumerate(sys.stdin):
    evaluation.SMALL_BYTES = 0 if number % 2 else SMALL_BYTES
    try:
        job.main(json.loads(line))
        error = ""
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    print(json.dumps(error), file=answers, flush=True)
