"""A reader asks Athena while runs of the job die in the midst of their publication."""

import threading
import time

import pytest
from catalog_lab import CatalogLab
from test_job import small_contract
from test_job_faults import DAYS, assert_as_undisturbed, make_days
from test_registration import lab

__all__ = ["lab"]  # the fixture

LATER = "2024-01-05"  # a day that only moved rows have


class Reader:
    """A reader that asks Athena all the while."""

    def __init__(self, lab: CatalogLab, dataset: str) -> None:
        self.lab, self.sql = lab, f"SELECT day, k, version FROM {dataset}"
        self.seen: list[dict[str, set[tuple[str, str]]]] = []
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._one = threading.Lock()  # one question at a time
        self._thread = threading.Thread(target=self._read)

    def look(self) -> dict[str, set[tuple[str, str]]]:
        """Ask once; return the rows of each day."""
        found: dict[str, set[tuple[str, str]]] = {}
        with self._one:
            rows = self.lab.ask(self.sql)
        for day, key, version in rows:
            assert (key, version) not in found.setdefault(day, set()), "a row twice in a partition"
            found[day].add((key, version))
        return found

    def _read(self) -> None:
        while not self._stop.is_set():
            try:
                self.seen.append(self.look())
            except AssertionError as error:
                self.failed.append(str(error))
            time.sleep(0.1)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def check_reader(lab: CatalogLab, dataset: str, points: list[str]) -> None:
    """Kill run after run in the midst of its publication while a reader asks; it sees each partition old or new."""
    files = [make_days(1, {day: day for day in DAYS}), make_days(2, {d: d for d in DAYS[:3]} | {DAYS[3]: LATER})]
    lab.job.put_contract(dataset, small_contract(dataset))
    lab.job.upload(dataset, "a.csv", files[0])
    assert lab.job.run(dataset, "first") == ""
    lab.crawl()
    lab.job.upload(dataset, "b.csv", files[1])
    keys = {f"{day[-1]}{letter}" for day in DAYS for letter in "abc"}
    old = {day: {(f"{day[-1]}{letter}", "1") for letter in "abc"} for day in DAYS}
    new = {day: {(f"{day[-1]}{letter}", "2") for letter in "abc"} for day in DAYS[:3]}
    new[LATER] = {(f"4{letter}", "2") for letter in "abc"}
    with Reader(lab, dataset) as reader:
        for number, point in enumerate(points):
            done = lab.job.run_process(dataset, f"killed{number}", WORKBENCH_CRASH_AT=point)
            assert done.returncode == -9, f"{point}: {done.stderr[-2000:]}"
            whole = reader.look()
            assert {key for rows in whole.values() for key, _ in rows} == keys, f"rows are lost after {point}"
        assert lab.job.run(dataset, "last") == ""
        assert reader.look() == new
    assert len(reader.seen) > len(points)
    for seen in reader.seen:
        for day, rows in seen.items():
            assert rows in (old.get(day), new.get(day)), f"half a partition: {day}: {rows}"
    assert all("changed" in said or "NO_SUCH_KEY" in said or "CANNOT_OPEN" in said for said in reader.failed)
    assert_as_undisturbed(lab.job, dataset, files)


def test_reader_never_sees_half_a_partition(lab: CatalogLab) -> None:
    """A run dies between two copies, and the next completes it; no row is lost and each partition is whole."""
    check_reader(lab, "polled", ["copy:2"])


@pytest.mark.slow
def test_reader_never_sees_half_a_partition_wherever_a_run_dies(lab: CatalogLab) -> None:
    """The same with a kill at each step of the publication, one run after the other over what the one before left."""
    check_reader(lab, "polled_long", ["written", "intent", "copy", "copy:2", "copy:3", "deletion", "delete"])
    check_reader(lab, "polled_end", ["ledger"])
