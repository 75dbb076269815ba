"""Three thousand files at once against the real local chain: few runs, none at the same time, nothing left."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from watch_lab import RAW, WatchLab, sample_rows, wait_for, watch_lab

PREFIXES, FILES = 300, 10
DATASET = "student_sample"


def upload_burst(lab: WatchLab, prefixes: int) -> set[str]:
    """Put FILES objects under each prefix, by several threads; return the keys."""
    s3 = lab.client("s3")
    keys = [f"{DATASET}/ingest_date=2026-01-01/part={p:03d}/{f}.csv" for p in range(prefixes) for f in range(FILES)]

    def put(number: int) -> None:
        s3.put_object(Bucket=RAW, Key=keys[number], Body=sample_rows(2, 1 + 2 * number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(len(keys))))
    return set(keys)


def run_burst(folder: Path, window: int, prefixes: int) -> tuple[WatchLab, list[str]]:
    """Upload a burst with this window; check it; return the states of the reports."""
    with watch_lab(folder) as lab:
        functions = lab.client("lambda", "admin")
        [mapping] = functions.list_event_source_mappings()["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], MaximumBatchingWindowInSeconds=window)
        with lab.watching("--trigger-only"):
            keys = upload_burst(lab, prefixes)
            wait_for(lambda: lab.ledger_objects(DATASET) == keys, 900)
            queue = lab.client("sqs", "admin")
            url = queue.get_queue_url(QueueName="workbench-local-uploads")["QueueUrl"]
            names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

            def is_quiet() -> bool:
                counts = queue.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
                return {int(count) for count in counts.values()} == {0} and len(lab.ended_runs()) == len(lab.job_runs())

            wait_for(is_quiet, 300)
        runs = lab.job_runs()
        for before, after in pairwise(runs):
            assert before["CompletedOn"] <= after["StartedOn"], "two runs at once"
        states = [lab.report(run)["status"] if run["JobRunState"] == "SUCCEEDED" else "failed" for run in runs]
        print(f"window {window} s, {len(keys)} files: {states}")
        return lab, states


def test_a_small_burst_is_gathered(tmp_path: Path) -> None:
    """Fifty files within the window are one run."""
    _, states = run_burst(tmp_path, window=5, prefixes=5)
    assert len(states) <= 2 and "unchanged" not in states[:-1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("window", [20, 1])
def test_a_burst_of_3000_files(tmp_path: Path, window: int) -> None:
    """With a window of 20 s at most three runs; with 1 s at most the last one finds nothing to do."""
    _, states = run_burst(tmp_path, window, PREFIXES)
    assert "unchanged" not in states[:-1]
    if window == 20:
        assert len(states) <= 3
