"""Refuse what a run built: its figures are kept where the next reports find them, and nothing is published.

Only publications write the ledger, so the figures of refused runs lie beside it, in one object a dataset with the last
hundred. One run is under way at a time: none overwrites the line of another.
"""

from collections.abc import Mapping
from typing import Any

import gates
import offenders
import publication
import reading
from botocore.exceptions import BotoCoreError, ClientError


class QualityGateError(Exception):
    """Too many rows are rejected, or a rule is broken; nothing was published."""


def refuse(place: publication.Place, refusal: gates.Refusal) -> QualityGateError:
    """Keep the figures of a refused run, and return the error to raise; it is raised also where they cannot be kept."""
    line = {"token": place.token, "at": publication.say_now(), "rows": refusal.rows}
    line |= {"figures": refusal.figures, "broken": refusal.broken}
    try:
        runs = [*read_refused(place), line][-gates.KEPT_RUNS :]
        publication.write_json(place.s3, place.bucket, _key(place), {"schema": 1, "runs": runs})
    except (BotoCoreError, ClientError) as error:
        print(f"the history will not show this refused run: {error}")
    return QualityGateError(refusal.why)


def read_refused(place: publication.Place) -> list[dict[str, Any]]:
    """Return the lines of the dataset's refused runs, the oldest first."""
    try:
        runs: list[dict[str, Any]] = publication.read_json(place.s3, place.bucket, _key(place))["runs"]
    except (place.s3.exceptions.NoSuchKey, ValueError):
        return []
    return runs


def _key(place: publication.Place) -> str:
    return f"_refused/{place.dataset}.json"


def judge_built(
    candidate: gates.Candidate, found: reading.Reading, objects: Mapping[str, dict[str, Any]], rows: Mapping[str, int]
) -> dict[str, Any]:
    """Judge the table as it will be by the contract's rules, and return the verdicts.

    Args:
        rows: what became of the readable rows, for the history of a refused run.

    Raises:
        QualityGateError: it breaks a rule that the contract calls an error.
    """
    quality: dict[str, Any] = gates.judge_table(candidate)
    if broken := gates.find_broken(quality):
        why = offenders.describe_broken(candidate, broken, found, objects)
        raise refuse(candidate.site.place, gates.Refusal(why, rows, **gates.sum_up(quality)))
    return quality
