"""The store of the control plane: documents that survive, atomically."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local_aws.errors import StackError
from local_aws.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "catalog.sqlite")


def test_documents_come_back_equal_and_fresh(store: Store) -> None:
    """What was put is returned as a copy, with text of any language."""
    store.put("table", "a", {"Name": "Zoë ☃", "Columns": [1, 2.5, None, True]})
    first = store.get("table", "a")
    assert first == {"Name": "Zoë ☃", "Columns": [1, 2.5, None, True]}
    first["Name"] = "changed"
    assert store.get("table", "a") != first
    assert store.get("database", "a") is None


def test_list_takes_one_kind_and_prefix_in_key_order(store: Store) -> None:
    """Listing neither mixes kinds nor takes keys that only resemble the prefix."""
    for key in ("b/2", "a", "b/1", "b", "c", "b/é", "B/3"):
        store.put("table", key, {"Name": key})
    store.put("partition", "b/9", {})
    assert [key for key, _ in store.list("table", "b/")] == ["b/1", "b/2", "b/é"]
    assert len(store.list("table")) == 7
    assert store.delete_prefix("table", "b/") == 3
    assert not store.delete("table", "b/1")


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    """An exception undoes every write of the transaction, and the store goes on working."""
    with pytest.raises(KeyError, match="stop"), store.transaction():
        store.put("table", "a", {})
        store.delete("table", "b")
        raise KeyError("stop")
    assert store.list("table") == []
    store.put("table", "a", {})
    assert len(store.list("table")) == 1


def test_an_inner_transaction_is_undone_alone(store: Store) -> None:
    """Where the outer transaction survives the inner one's failure, only the inner writes are gone."""
    with store.transaction():
        store.put("table", "outer", {})
        with pytest.raises(KeyError, match="stop"), store.transaction():
            store.put("table", "inner", {})
            raise KeyError("stop")
    assert [key for key, _ in store.list("table")] == ["outer"]


def test_what_json_cannot_say_is_refused(store: Store) -> None:
    """A value that would not come back equal is refused, and nothing is written."""
    with pytest.raises(TypeError, match="not JSON serializable"):
        store.put("table", "a", {"When": object()})
    assert store.get("table", "a") is None


def test_concurrent_increments_are_all_kept(tmp_path: Path) -> None:
    """Read-modify-write in transactions loses nothing, between threads and between two openings of the file."""
    stores = [Store(tmp_path / "s.sqlite"), Store(tmp_path / "s.sqlite")]
    stores[0].put("counter", "n", {"value": 0})

    def count(store: Store) -> None:
        for _ in range(50):
            with store.transaction():
                document = store.get("counter", "n") or {}
                store.put("counter", "n", {"value": document["value"] + 1})

    threads = [threading.Thread(target=count, args=(stores[index % 2],)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[1].get("counter", "n") == {"value": 200}


WRITER = """
import sys; from pathlib import Path; from local_aws.store import Store
store, number = Store(Path(sys.argv[1])), 0
while True:
    number += 1
    with store.transaction():
        store.put("pair", "left", {"n": number}); store.put("pair", "right", {"n": number})
    print(number, flush=True)
"""


def test_kill_9_while_writing_loses_no_committed_document(tmp_path: Path) -> None:
    """After kill -9 every write that was acknowledged is there, and no transaction is half there."""
    path = tmp_path / "catalog.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(200)][-1]
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    store = Store(path)
    left, right = store.get("pair", "left"), store.get("pair", "right")
    assert left == right and left is not None and left["n"] >= acknowledged


def test_the_file_is_the_owners_alone(store: Store) -> None:
    """The catalog and its log are readable by their owner only."""
    store.put("table", "a", {})
    modes = {path.name: path.stat().st_mode & 0o777 for path in store.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """A file that is no database is reported in one line with its path."""
    (tmp_path / "catalog.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StackError, match=r"catalog\.sqlite cannot be used"):
        Store(tmp_path / "catalog.sqlite")


def test_a_full_disk_is_named_and_nothing_is_lost(store: Store) -> None:
    """Where no page can be added the write fails in one line, and what was there stays readable."""
    store.put("table", "a", {"n": 1})
    limit = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {limit}")
    with pytest.raises(StackError, match=r"catalog\.sqlite cannot be used \(database or disk is full\)"):
        store.put("table", "b", {"text": "x" * 100_000})
    assert store.list("table") == [("a", {"n": 1})]
    store.put("table", "a", {"n": 2})
    assert store.keys("table") == ["a"]
