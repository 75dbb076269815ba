"""Publish by hand: the version that a load kept ready, or the version before the one that readers see."""

from contextlib import closing
from dataclasses import dataclass

from helpers.errors import UsageError
from helpers.load_postgres_ledger import PUBLIC, find_dataset, list_loads
from helpers.load_postgres_publish import Terms, publish_load, roll_back
from helpers.load_postgres_sweep import drop_old_versions, find_ready, load_connection
from helpers.record import step_entry
from helpers.session import open_session


@dataclass(frozen=True)
class Publication:
    """What readers see after a version was published or taken back by hand."""

    dataset: str
    relation: str
    relations: tuple[str, ...]
    rows: int
    run_id: str


@step_entry
def publish_table(profile: str | None, table: str, named: frozenset[str] = frozenset()) -> Publication:
    """Publish the version of a table's dataset that is kept ready, all its relations together.

    Args:
        table: a relation such as `student_sample` or `analytics.student_sample`.
        named: relations whose columns may be taken away or changed, and views on them that may be lost.

    Raises:
        UsageError: no such table, or no version is kept ready.
        LoadError: readers would lose something that is not named, or a table of the version was dropped.
        ServiceError: a reader is in the way.
    """
    return _by_hand(profile, table, named, back=False)


@step_entry
def rollback_table(profile: str | None, table: str, named: frozenset[str] = frozenset()) -> Publication:
    """Publish the version before the one that readers of a table see, all its dataset's relations together.

    The version that is taken back is kept ready for `publish_table`. Columns that only it had are taken away; views
    that need them must be `named`.

    Raises:
        UsageError: no such table, or no version before.
        LoadError: views would be lost that are not named, or a table of the version was dropped.
        ServiceError: a reader is in the way.
    """
    return _by_hand(profile, table, named, back=True)


def _by_hand(profile: str | None, table: str, named: frozenset[str], back: bool) -> Publication:
    session = open_session(profile)
    with closing(session.connect_postgres()) as asking:
        dataset, relation = find_dataset(asking, table)
    with load_connection(session, dataset) as connection:
        if back:
            mine = {name for load in list_loads(connection, dataset) for name in load.tables}
            shown, _ = roll_back(connection, dataset, Terms(session.reader, named | mine))
        else:
            ready = find_ready(connection, dataset)
            if ready is None:
                raise UsageError(f"{dataset}: no version is kept ready; `workbench run --dataset {dataset}` makes one")
            shown = publish_load(connection, ready, Terms(session.reader, named))
            drop_old_versions(connection, dataset)
    rows = shown.rows.get(relation, 0)
    return Publication(dataset, f"{PUBLIC}.{relation}", tuple(shown.tables), rows, shown.run_id)
