"""Uploads, events, queue, handler, runs and ledger, through hours of simulated time with everything going wrong."""

import heapq
import json
import random
from pathlib import Path
from typing import Any

import pytest
from trigger_world import RAW, World, bridge_event, seeded_faults, world

DATASETS = ("student_sample", "tennessee_star", "student_performance")
WINDOW, LISTING = 60, 20
HOURS, SWEEPS = 4, 12
LOST, TWICE, POISON, DYING = 0.3, 0.2, 0.03, 0.15


class Simulation:
    """One seed: what happens when, on a heap of (time, number, what, facts).

    `gentle`: no event is lost, no run dies, no notebook helps and nothing is swept up: messages alone must do.
    """

    def __init__(self, aws: World, generator: random.Random, gentle: bool) -> None:
        self.aws, self.random, self.gentle = aws, generator, gentle
        self.agenda: list[tuple[float, int, str, Any]] = []
        self.poison = self.number = 0
        self.seen_runs = 0

    def plan(self, at: float, what: str, facts: Any = None) -> None:
        """Have something happen."""
        self.number += 1
        heapq.heappush(self.agenda, (at, self.number, what, facts))

    def run(self) -> None:
        """Let uploads come for an hour, then the nights pass until all is swept up."""
        begin = self.aws.clock
        for number in range(self.random.randint(20, 120)):
            key = f"{self.random.choice(DATASETS)}/{number if self.random.random() < 0.9 else 0}.csv"
            self.plan(begin + self.random.uniform(0, 3600), "upload", (key, number))
        for minute in range(HOURS * 60 + SWEEPS * 150):
            self.plan(begin + minute * WINDOW, "deliver")
        for night in range(0 if self.gentle else SWEEPS):
            self.plan(begin + HOURS * 3600 + night * 7200, "sweep")
        while self.agenda:
            self.aws.clock, _, what, facts = heapq.heappop(self.agenda)
            getattr(self, what)(facts)
            for run in self.aws.glue.runs[self.seen_runs :]:
                self.plan(self.aws.clock + LISTING, "list_raw", run)
            self.seen_runs = len(self.aws.glue.runs)

    def upload(self, facts: tuple[str, int]) -> None:
        """An object comes; its event is late, doubled, out of order or lost. Some messages are no events."""
        key, number = facts
        self.aws.s3.put_object(RAW, key, str(number).encode())
        if self.random.random() < POISON:
            self.poison += 1
            self.aws.queues.send("uploads", [("no event", {})])
        if self.gentle or self.random.random() >= LOST:
            for _ in range(2 if self.random.random() < TWICE else 1):
                self.plan(self.aws.clock + self.random.uniform(0, 90), "ring", bridge_event(key, at=self.aws.clock))

    def ring(self, event: Any) -> None:
        """An event reaches the queue."""
        self.aws.queues.send("uploads", [(json.dumps(event), {})])

    def sweep(self, facts: None) -> None:
        """The schedule fires."""
        self.aws.queues.send("uploads", [('{"detail-type": "Sweep"}', {})])

    def deliver(self, facts: None) -> None:
        """A window ends. Now and then, while uploads come, a notebook is quicker and starts a run of its own."""
        early = self.aws.clock < 4600 and not self.gentle
        if early and self.random.random() < 0.02 and not self.aws.glue.active:
            token = f"notebook-{self.number}"
            self.aws.glue.faults = lambda call: ""
            arguments = {"--DATASET": self.random.choice(DATASETS), "--RUN_TOKEN": token}
            self.aws.glue.start_job_run("curate", arguments)
            self.aws.glue.faults = self.aws.faults
        self.aws.deliver()

    def list_raw(self, run: Any) -> None:
        """A run lists raw a while after it started."""
        ends = self.aws.clock + self.random.uniform(20, 400)
        self.plan(ends, "finish", (run, self.aws.list_raw(run)))

    def finish(self, facts: Any) -> None:
        """A run ends; some die without having published."""
        run, listed = facts
        if not self.gentle and self.random.random() < DYING:
            run["JobRunState"] = "FAILED"
        else:
            self.aws.finish(run, listed)


def simulate(seed: int, folder: Path, gentle: bool = False) -> int:
    """Run one seed and check it; return how many runs there were."""
    generator = random.Random(seed)
    with world(folder, DATASETS, faults=seeded_faults(generator)) as aws:
        simulation = Simulation(aws, generator, gentle)
        simulation.run()
        assert aws.in_ledgers(DATASETS) == aws.in_raw(), f"seed {seed}: lost"
        assert max(aws.processed.values()) == 1, f"seed {seed}: doubled"
        tokens = [run["Arguments"]["--RUN_TOKEN"] for run in aws.glue.runs]
        assert len(tokens) == len(set(tokens)), f"seed {seed}: two runs of one token"
        assert int(aws.queues.attributes("dead")["ApproximateNumberOfMessages"]) >= simulation.poison
        assert aws.queues.attributes("uploads")["ApproximateNumberOfMessages"] == "0", f"seed {seed}: left in the queue"
        return len(tokens)


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_or_doubled(seed: int, tmp_path: Path) -> None:
    """Whatever goes wrong, each object version is processed by exactly one run, and a token starts one run only."""
    assert simulate(seed, tmp_path) > 0


@pytest.mark.parametrize("seed", range(8))
def test_messages_alone_are_enough(seed: int, tmp_path: Path) -> None:
    """With a busy job, throttling and lost answers, but no lost event, nothing waits for a sweep."""
    assert simulate(seed, tmp_path, gentle=True) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8, 200))
def test_nothing_is_lost_or_doubled_in_any_seed(seed: int, tmp_path: Path) -> None:
    """The same, for the whole range of seeds, gentle ones too."""
    for name, gentle in (("gentle", True), ("harsh", False)):
        (tmp_path / name).mkdir()
        assert simulate(seed, tmp_path / name, gentle) > 0
