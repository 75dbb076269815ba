"""What a published view looks like, what depends on it, and the statements that point it at another table.

PostgreSQL lets CREATE OR REPLACE VIEW append columns and nothing else. For a column that became wider the view is made
anew with everything that depends on it: definitions, owners, options, comments and grants are read from the catalog
before, and written back in the same transaction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql

from helpers.errors import LoadError
from helpers.load_postgres_ledger import PUBLIC, VERSIONS
from helpers.load_postgres_types import comment_statements

_WHOLE = ("smallint", "integer", "bigint")
_WHOLE_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_DEPENDENTS = """
WITH RECURSIVE above(oid, depth) AS (
    SELECT %(view)s::regclass::oid, 0
    UNION
    SELECT r.ev_class, a.depth + 1
    FROM above a
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> a.oid
)
SELECT oid FROM above WHERE depth > 0 GROUP BY oid ORDER BY max(depth), oid
"""
_FACTS = """
SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relowner = current_user::regrole::oid,
       coalesce(c.reloptions, '{}'), pg_get_viewdef(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %s
"""
_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), col_description(a.attrelid, a.attnum)
FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_GRANTS = """
SELECT '' AS attname, CASE e.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(e.grantee) END, e.privilege_type,
       e.is_grantable
FROM pg_class c, aclexplode(c.relacl) e WHERE c.oid = %(oid)s AND e.grantee <> c.relowner
UNION ALL
SELECT a.attname, CASE e.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(e.grantee) END, e.privilege_type,
       e.is_grantable
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) e
WHERE a.attrelid = %(oid)s AND e.grantee <> c.relowner AND NOT a.attisdropped
"""


@dataclass(frozen=True)
class Shape:
    """A relation as the catalog has it: column -> type in order, and what is said of it and of them."""

    columns: dict[str, str]
    comments: dict[str, str]
    comment: str


@dataclass(frozen=True)
class Kept:
    """A view, or materialized view, with all that is lost when it is dropped."""

    schema: str
    name: str
    kind: str
    owner: str
    ours: bool
    options: tuple[str, ...]
    shape: Shape
    definition: str
    grants: tuple[tuple[str, str | None, str, bool], ...]
    indexes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its name as people write it."""
        return f"{self.schema}.{self.name}"

    @property
    def word(self) -> str:
        """What DDL calls it."""
        return "MATERIALIZED VIEW" if self.kind == "m" else "VIEW"

    def drop(self) -> sql.Composable:
        """Return the statement that drops it, and nothing else."""
        return sql.SQL("DROP " + self.word + " {} RESTRICT").format(sql.Identifier(self.schema, self.name))

    def create(self) -> list[sql.Composable]:
        """Return what makes it again as it was."""
        options = f" WITH ({', '.join(self.options)})" if self.options else ""
        head = sql.SQL("CREATE " + self.word + " {}").format(sql.Identifier(self.schema, self.name))
        made: list[sql.Composable] = [head + sql.SQL(f"{options} AS {self.definition.rstrip().rstrip(';')}")]
        made += [sql.SQL(index) for index in self.indexes]
        return made + self.restore()

    def restore(self) -> list[sql.Composable]:
        """Return its comments, grants and owner; grants come first, so that they are the new owner's then."""
        name = (self.schema, self.name)
        made = comment_statements(self.word, name, self.shape.comment, self.shape.comments)
        for column, grantee, privilege, grantable in self.grants:
            what = sql.SQL(privilege) + (sql.SQL(" ({})").format(sql.Identifier(column)) if column else sql.SQL(""))
            role = sql.SQL("PUBLIC") if grantee is None else sql.Identifier(grantee)
            tail = sql.SQL(" WITH GRANT OPTION" if grantable else "")
            made.append(sql.SQL("GRANT {} ON {} TO {}").format(what, sql.Identifier(*name), role) + tail)
        if not self.ours:
            change = sql.SQL("ALTER " + self.word + " {} OWNER TO {}")
            made.append(change.format(sql.Identifier(*name), sql.Identifier(self.owner)))
        return made


@dataclass(frozen=True)
class Switch:
    """How one relation comes to show another table.

    Attributes:
        changes: what happens to columns that readers have, beside appending: `id: integer becomes bigint`.
        breaking: whether one of the changes could take something away from them.
        view: the view as it is; None where there is none.
        dependents: what is built on it, the nearest first; empty unless the view must be made anew.
    """

    relation: str
    table: str
    statements: tuple[sql.Composable, ...]
    changes: tuple[str, ...] = ()
    breaking: bool = False
    view: Kept | None = None
    dependents: tuple[Kept, ...] = field(default=())


def read_shape(cursor: Any, oid: int) -> Shape:
    """Read columns, types and comments of a table or view."""
    cursor.execute(_COLUMNS, (oid,))
    rows = cursor.fetchall()
    cursor.execute("SELECT obj_description(%s, 'pg_class')", (oid,))
    comment = cursor.fetchone()[0] or ""
    return Shape({name: kind for name, kind, _ in rows}, {name: text for name, _, text in rows if text}, comment)


def read_kept(cursor: Any, oid: int) -> Kept:
    """Read all of a view that dropping it would lose."""
    cursor.execute(_FACTS, (oid,))
    schema, name, kind, owner, ours, options, definition = cursor.fetchone()
    cursor.execute(_GRANTS, {"oid": oid})
    grants = tuple(cursor.fetchall())
    cursor.execute("SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s ORDER BY 1", (oid,))
    indexes = tuple(text for (text,) in cursor.fetchall())
    shape = read_shape(cursor, oid)
    return Kept(schema, name, kind, owner, ours, tuple(options), shape, definition, grants, indexes)


def find_oid(cursor: Any, schema: str, name: str) -> int | None:
    """Return the catalog's number of a relation, or None."""
    cursor.execute("SELECT to_regclass(quote_ident(%s) || '.' || quote_ident(%s))::oid", (schema, name))
    found = cursor.fetchone()[0]
    return None if found is None else int(found)


def list_dependents(cursor: Any, oid: int) -> list[Kept]:
    """Return the views that are built on a view, directly or not, each after those that it needs."""
    cursor.execute(_DEPENDENTS, {"view": oid})
    return [read_kept(cursor, found) for (found,) in cursor.fetchall()]


def plan_switch(cursor: Any, relation: str, table: str, reader: str | None) -> Switch:
    """Say how the view of a relation comes to show a table of the versions' schema; nothing is changed yet.

    Raises:
        LoadError: the table is gone.
    """
    oid, source = find_oid(cursor, PUBLIC, relation), find_oid(cursor, VERSIONS, table)
    if source is None:
        raise LoadError(
            f"{VERSIONS}.{table}, the version of {PUBLIC}.{relation} to be shown, was dropped: nothing was changed; "
            "`workbench run --full` for its dataset loads a new version"
        )
    new = read_shape(cursor, source)
    view = read_kept(cursor, oid) if oid is not None else None
    old = view.shape.columns if view else {}
    removed = [f"{name}: removed" for name in old if name not in new.columns]
    changed = {name: (kind, new.columns[name]) for name, kind in old.items() if new.columns.get(name, kind) != kind}
    changes = [*removed, *(f"{name}: {before} becomes {after}" for name, (before, after) in changed.items())]
    # Readers keep the order of the columns that they have; what is new comes last.
    order = [name for name in old if name in new.columns] + [name for name in new.columns if name not in old]
    statements = [_view_statement(relation, table, order)]
    name = (PUBLIC, relation)
    statements += comment_statements("VIEW", name, new.comment, new.comments)
    if reader:
        statements.append(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(*name), sql.Identifier(reader)))
    return Switch(
        relation,
        table,
        tuple(statements),
        tuple(changes),
        bool(removed) or not all(is_wider(before, after) for before, after in changed.values()),
        view,
        tuple(list_dependents(cursor, oid)) if changes and oid is not None else (),
    )


def _view_statement(relation: str, table: str, columns: Sequence[str]) -> sql.Composed:
    return sql.SQL("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}").format(
        sql.Identifier(PUBLIC, relation),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.Identifier(VERSIONS, table),
    )


def is_wider(before: str, after: str) -> bool:
    """Tell whether every value of type `before` is one of type `after`, unchanged."""
    if before in _WHOLE:
        if after in _WHOLE:
            return _WHOLE.index(after) >= _WHOLE.index(before)
        if after == "double precision":
            return before != "bigint"
        if after == "numeric":
            return True
        digits = _digits(after, "numeric")
        return bool(digits) and digits[0] - digits[1] >= _WHOLE_DIGITS[before]
    if before == "real":
        return after == "double precision"
    if (old := _digits(before, "numeric")) and after.startswith("numeric"):
        new = _digits(after, "numeric")
        return not new or (new[1] >= old[1] and new[0] - new[1] >= old[0] - old[1])
    if length := _digits(before, "character varying"):
        longer = _digits(after, "character varying")
        return after in ("text", "character varying") or bool(longer and longer[0] >= length[0])
    return before == "character varying" and after == "text"


def _digits(kind: str, base: str) -> list[int]:
    found = re.fullmatch(re.escape(base) + r"\((\d+)(?:,(-?\d+))?\)", kind)
    return [int(found[1]), int(found[2] or 0)] if found else []
