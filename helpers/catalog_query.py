"""Step 03: crawl what the job wrote into the catalog, look at the table, and ask the dataset's saved queries.

Queries run in Athena through awswrangler. What was asked stands in `_answers/<dataset>.json` with each execution's
id, by which step 04 finds the results.
"""

import datetime as dt
import re
import time
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import awswrangler as wr
import pandas as pd
from botocore.exceptions import ClientError

from helpers.catalog_query_table import crawl_table, read_last_report
from helpers.chart import Chart
from helpers.config import StepConfig
from helpers.contract import load_contract
from helpers.errors import StepError, UsageError, nearest
from helpers.objects import write_json
from helpers.plots import MOST_POINTS, plot_query
from helpers.progress import ProgressLine
from helpers.record import step_entry
from helpers.saved_queries import SavedQuery
from helpers.session import Session, open_session

__all__ = ["Answer", "Answers", "crawl_table", "run_saved_queries"]

_TABLE_ROWS = 10
# Comments, texts and quoted names are words of their own, so that nothing in them is taken for one.
_SQL_WORD = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+|\S""", re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """One saved query and what Athena answered; `frame` holds every row, `scanned` the bytes that were read."""

    query: SavedQuery
    execution_id: str
    frame: pd.DataFrame
    scanned: int

    @property
    def table(self) -> pd.DataFrame:
        """All rows, or the first ten; a series that a line is drawn of lies on its side, so that it is whole."""
        if _TABLE_ROWS < len(self.frame) <= MOST_POINTS and self.query.kind == "line":
            return self.frame.set_index(self.query.x).T.rename_axis(columns=None)
        return self.frame.head(_TABLE_ROWS)

    @property
    def text(self) -> str:
        """The question and its SQL."""
        return f"{self.query.question}\n\n{self.query.sql}"

    @property
    def remark(self) -> str:
        """How far the charted values lie apart, with the categories at both ends."""
        query = self.query
        numbers = pd.to_numeric(self.frame[query.y[0]].astype(str), "coerce") if query.y else pd.Series(dtype=float)
        if numbers.dropna().empty:
            return f"{len(self.frame)} rows answer this question."
        low, high = (self.frame[query.x].iloc[int(at)] for at in (numbers.idxmin(), numbers.idxmax()))
        unit = f" {query.unit}" if query.unit else ""
        return (
            f"{len(self.frame)} rows: from {numbers.min():,.2f}{unit} ({query.x}: {low}) "
            f"to {numbers.max():,.2f}{unit} ({query.x}: {high})."
        )

    def plot(self) -> Chart:
        """Draw the answer as the query's header asks."""
        return plot_query(self.query, self.frame)


@dataclass(frozen=True)
class Answers:
    """All saved queries of a dataset, answered; `table_rows` is what Athena counts in the table."""

    dataset: str
    answers: tuple[Answer, ...]
    table_rows: int
    reported: int
    uri: str
    seconds: float

    @property
    def first(self) -> Answer:
        """The first saved query's answer."""
        return self.answers[0]

    @property
    def last(self) -> Answer:
        """The last saved query's answer."""
        return self.answers[-1]

    def find(self, name: str) -> Answer:
        """Return the answer of the saved query `name`.

        Raises:
            UsageError: there is none of that name; the nearest names are given.
        """
        names = {answer.query.name: answer for answer in self.answers}
        if name not in names:
            raise UsageError(f'no saved query "{name}"; {nearest(name, names)}')
        return names[name]

    @property
    def totals(self) -> pd.DataFrame:
        """What was asked and what it cost, in numbers."""
        rows = [
            ["saved queries answered", len(self.answers)],
            ["rows of all answers", sum(len(answer.frame) for answer in self.answers)],
            ["rows of the table", self.table_rows],
        ]
        return pd.DataFrame(rows, columns=["Athena", "number"])

    @property
    def overview(self) -> pd.DataFrame:
        """One line a query: what was asked and how many rows answer it."""
        rows = [[answer.query.name, answer.query.title, len(answer.frame)] for answer in self.answers]
        return pd.DataFrame(rows, columns=["saved query", "answers", "rows"])[:_TABLE_ROWS]

    @property
    def scanned(self) -> int:
        """Bytes that all queries read: what Athena charges for."""
        return sum(answer.scanned for answer in self.answers)

    def figures(self) -> dict[str, Any]:
        """Return what the run's record keeps; the first answer as a small table."""
        shown = self.first.frame.head(_TABLE_ROWS)
        rows = [[_plain(value) for value in row] for row in shown.itertuples(index=False)]
        return {
            "rows_in": self.table_rows,
            "rows_out": sum(len(answer.frame) for answer in self.answers),
            "rows_quarantined": 0,
            "outputs": [self.uri],
            "cost": {"athena_bytes_scanned": self.scanned},
            "answer": {"title": self.first.query.title, "columns": list(shown.columns), "rows": rows},
        }


def _plain(value: Any) -> bool | int | float | str | None:
    """Return a cell as JSON can hold it: a decimal as its digits, a missing value as null."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value if isinstance(value, bool | int | float | str) else str(value)


@step_entry
def run_saved_queries(cfg: StepConfig) -> Answers:
    """Ask every saved query of the dataset in Athena and write what was asked for step 04.

    `:as_of` in a query is bound to the logical date.

    Raises:
        StepError: the dataset has no queries, or Athena refused one; its name and Athena's reason are given.
    """
    started = time.monotonic()
    session = open_session(cfg.profile)
    reported = int(read_last_report(session, cfg)["rows"]["curated"])
    queries = load_contract(cfg.dataset).queries
    if not queries:
        raise StepError(f"dataset {cfg.dataset} has no saved query: write one into its folder queries/")
    with ProgressLine(f"asking {len(queries)} saved queries", len(queries)) as progress:
        counting = _start_query(session, f'SELECT count(*) AS n FROM "{cfg.dataset}"', cfg.as_of)
        asked = [(query, start_saved_query(session, query, cfg.as_of)) for query in queries]
        answers = []
        for query, execution_id in asked:
            answers.append(_read_answer(session, query, execution_id))
            progress.advance(1)
        frame, _ = _read_result(session, counting)
    document = {
        "schema": 1,
        "dataset": cfg.dataset,
        "table": cfg.dataset,
        "as_of": cfg.as_of.isoformat(),
        "answers": [
            {"query": a.query.name, "execution_id": a.execution_id, "rows": len(a.frame), "title": a.query.title}
            for a in answers
        ],
    }
    bucket, key = session.outputs.results_bucket, f"_answers/{cfg.dataset}.json"
    uri = write_json(session.client("s3"), bucket, key, document)
    seconds = time.monotonic() - started
    return Answers(cfg.dataset, tuple(answers), int(frame["n"].sum()), reported, uri, seconds)


def start_saved_query(session: Session, query: SavedQuery, as_of: dt.date) -> str:
    """Start a saved query; what Athena's grammar does not take is refused here already, with the query's name."""
    try:
        return _start_query(session, query.sql, as_of)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidRequestException":
            raise
        raise _refused(query, error.response["Error"]["Message"]) from error


def _refused(query: SavedQuery, reason: object) -> StepError:
    return StepError(f"query {query.name}: Athena refused it: {reason}; mend queries/{query.name}.sql of the dataset")


def _start_query(session: Session, statement: str, as_of: dt.date) -> str:
    return str(
        wr.athena.start_query_execution(
            statement,
            database=session.outputs.database,
            workgroup=session.outputs.workgroup,
            params={"as_of": as_of},
            boto3_session=session.boto3_session,
        )
    )


def _read_answer(session: Session, query: SavedQuery, execution_id: str) -> Answer:
    try:
        frame, scanned = _read_result(session, execution_id)
    except wr.exceptions.QueryFailed as error:
        raise _refused(query, error) from error
    if not asks_for_order(query.sql):
        # A query that asks for no order gets none; a table that people compare needs one.
        frame = frame.sort_values(list(frame.columns), ignore_index=True)
    return Answer(query, execution_id, frame, scanned)


def asks_for_order(sql: str) -> bool:
    """Tell whether a query orders its answer, and not only a subquery, a window, a list, or a word in a comment."""
    return _is_ordered([w for w in _SQL_WORD.findall(sql.lower()) if not w.startswith(("--", "/*")) and w != ";"])


def _is_ordered(words: list[str]) -> bool:
    depths = list(accumulate((word == "(") - (word == ")") for word in words))
    if words[:1] == ["with"]:  # the query begins where neither a list of columns nor another named query follows
        ends = [at for at, word in enumerate(words[:-1], 1) if word == ")" and depths[at - 1] == 0]
        begins = [at for at in ends if words[at] not in (",", "as")]
        return bool(begins) and _is_ordered(words[begins[0] :])
    if words[:1] == ["("] and 0 in depths and depths.index(0) == len(words) - 1:  # the whole stands in parentheses
        return _is_ordered(words[1:-1])
    return ("order", "by", 0) in zip(words, words[1:], depths, strict=False)


def _read_result(session: Session, execution_id: str) -> tuple[pd.DataFrame, int]:
    """Wait for an execution; return its rows with the types that Athena names, and the bytes that it scanned."""
    done = wr.athena.wait_query(
        execution_id, boto3_session=session.boto3_session, athena_query_wait_polling_delay=session.poll_seconds
    )
    frame: pd.DataFrame = wr.athena.get_query_results(execution_id, boto3_session=session.boto3_session)
    return frame, int(done.get("Statistics", {}).get("DataScannedInBytes", 0))
