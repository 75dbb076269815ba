"""What a load meets that is no data: names that could be SQL, a full disk, a server that does not let it in."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from load_lab import READER, Server, serve, source_of
from load_worker import load_numbers

from helpers.config import build_config
from helpers.errors import LoadError, ServiceError
from helpers.load_postgres import load_tables
from helpers.load_postgres_contract import LoadRules
from helpers.load_postgres_extract import Change, Extract
from helpers.load_postgres_load import LoadJob, load_extracts
from helpers.load_postgres_publish import Terms, roll_back
from helpers.load_postgres_types import make_columns
from helpers.record import step_entry
from local_aws.endpoints import read_endpoints


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded PostgreSQL alone."""
    yield from serve(tmp_path_factory.mktemp("postgres") / "home")


ODD = [
    'x"; DROP SCHEMA analytics CASCADE; --',
    "it's; SELECT 1",
    "select",
    "with space",
    "%s %(a)s 100%",
    "{c} {0} {}",
    "ünï\\code",
    "a.b",
    "x" * 63,
]


def load_odd(server: Server, rules: LoadRules, rows: list[tuple[int, ...]], change: Change | None = None) -> None:
    """Load rows as a relation that is called as oddly as its columns."""
    header = ",".join('"' + name.replace('"', '""') + '"' for name in ODD)
    lines = [",".join(f'"{value}"' for value in row) for row in rows]
    source = source_of("\n".join([header, *lines, ""]).encode())
    columns = make_columns(dict.fromkeys(ODD, "int"), {name: f"about {name}" for name in ODD}, rules.required)
    partitions = {str(row[-1]): str(row) for row in rows}
    extract = Extract(ODD[0], source.place, columns, (str(len(rows)),), 0, rules, change, partitions)
    job = LoadJob(ODD[0], "r", server.connect, lambda place: source, READER)
    with closing(server.connect()) as connection:
        load_extracts(connection, job, [extract])


def read_odd(server: Server) -> list[tuple[Any, ...]]:
    """Return what readers see of it."""
    name = ODD[0].replace('"', '""')
    return server.read(f'SELECT * FROM analytics."{name}" ORDER BY 1')


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_odd_names_are_quoted_wherever_they_stand(server: Server, mode: str) -> None:
    """Relation, columns, keys, indexes and comments may hold quotes, SQL, keywords, percent signs and braces."""
    rules = LoadRules(
        mode, full=True, key=(ODD[0],), required=frozenset(ODD), indexes=tuple((name,) for name in ODD[1:]),
        ordering=((ODD[4], True),), partition=ODD[-1], comment="it's 100% {odd}",
    )  # fmt: skip
    first, second = (1, *range(8)), (2, *range(8, 0, -1))
    load_odd(server, rules, [first])
    load_odd(server, rules, [second], Change((str(second[-1]),), ()))
    assert read_odd(server) == [first, second]
    with closing(server.connect()) as connection:
        roll_back(connection, ODD[0], Terms(READER))
    assert read_odd(server) == [first]
    assert server.read("SELECT count(*) FROM pg_namespace WHERE nspname = 'analytics'") == [(1,)]
    view = "(SELECT oid FROM pg_class WHERE relname LIKE 'x\"%' AND relkind = 'v')"
    assert server.read(f"SELECT col_description({view}, 6), obj_description({view})") == [
        (f"about {ODD[5]}", "it's 100% {odd}")
    ]


def test_a_name_that_would_be_cut_is_refused_before_anything_is_made(server: Server) -> None:
    """64 bytes: PostgreSQL would cut them silently, so that two relations could become one."""
    source = source_of(b"id\n")
    extract = Extract("r" * 64, source.place, make_columns({"id": "int"}, {}), ("0",))
    job = LoadJob("long", "r", server.connect, lambda place: source, READER)
    with closing(server.connect()) as connection, pytest.raises(LoadError, match="1 to 63 bytes"):
        load_extracts(connection, job, [extract])
    assert server.read("SELECT count(*) FROM analytics_versions.loads WHERE dataset = 'long'", "loader") == [(0,)]


FULL = """
CREATE FUNCTION public.take(id int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
    IF id % 5000 = 4000 THEN
        RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN true;
END $$;
CREATE FUNCTION public.make_full() RETURNS event_trigger LANGUAGE plpgsql AS $$ DECLARE made record; BEGIN
    FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE schema_name = 'analytics_versions' LOOP
        EXECUTE format('ALTER TABLE %s ADD CHECK (public.take(id))', made.object_identity);
    END LOOP;
END $$;
CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.make_full();
"""


def test_a_full_disk_of_the_server_is_one_line_and_changes_nothing(server: Server) -> None:
    """The server runs out of space in the middle of COPY: code 4, the old version stays, and nothing is left behind."""
    load = step_entry(load_numbers)
    load(server, "numbers", 5_000, 0)
    tables = "SELECT tablename FROM pg_tables WHERE tablename LIKE 'numbers%' ORDER BY 1"
    before = server.read(tables, "loader")
    server.run(FULL, role="superuser")
    with pytest.raises(ServiceError, match=r"PostgreSQL: could not extend file .*No space left.*free some") as caught:
        load(server, "numbers", 5_000, 5_000)
    assert caught.value.exit_code == 4 and "\n" not in str(caught.value)
    server.run("DROP EVENT TRIGGER full_disk", role="superuser")
    assert server.read("SELECT min(id), count(*) FROM analytics.numbers") == [(0, 5_000)]
    assert server.read(tables, "loader") == before
    load(server, "numbers", 5_000, 5_000)
    assert server.read("SELECT min(id), count(*) FROM analytics.numbers") == [(5_000, 5_000)]


def test_a_server_that_does_not_let_a_load_in_is_one_line(stack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong password, and a port where nobody listens: code 4, what to check, and no password in it."""
    endpoints = read_endpoints(stack)
    assert endpoints is not None
    place = endpoints.postgres
    where = f"{place['host']}:{place['port']}/{place['dbname']}"
    said = {f"{place['loader']}:mistyped@{where}": "authentication failed.*WORKBENCH_DATABASE_URL has them",
            f"{place['loader']}:mistyped@127.0.0.1:9/none": "127.0.0.1.*port 9"}  # fmt: skip
    for url, message in said.items():
        monkeypatch.setenv("WORKBENCH_DATABASE_URL", f"postgresql://{url}")
        with pytest.raises(ServiceError, match=f"^PostgreSQL: .*{message}") as caught:
            load_tables(build_config("student_sample"))
        assert caught.value.exit_code == 4
        assert "\n" not in str(caught.value) and "mistyped" not in str(caught.value)
