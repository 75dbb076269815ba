"""Decide which raw objects count, which of them are new, and which partitions must be built from raw again.

An object counts unless a person rejected it, or a delivery that counts supersedes it. The chain of superseding is told
by the objects' own metadata, so it holds in whatever order they are read. docs/data.md has the ledger's fields.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from raw_files import RawFile

ACTIVE, SUPERSEDED, REJECTED = "active", "superseded", "rejected"
DELETED, REPLACED = "deleted", "replaced"
Entry = Mapping[str, Any]


class LostRowsError(Exception):
    """Rows are unaccounted for: a fault of this program; nothing was published."""


@dataclass(frozen=True)
class Plan:
    """What one run does.

    Attributes:
        full: whether everything is read and built anew.
        why: in a few words, for the log.
        listed: the raw objects by key, each with etag, bytes, supersedes, state.
        kept: entries of the ledger whose objects are read already and count as before.
        gone: entries of objects that counted or were known, and that raw no longer holds in that version.
        added: keys of the objects that are read for the first time, or again after they did not count.
        rebuild: partitions that an object fed which no longer counts: they are built from raw.
        reread: keys of objects that feed those partitions and were read by an earlier run.
    """

    full: bool
    why: str
    listed: Mapping[str, Entry]
    kept: Mapping[str, Entry]
    gone: tuple[Entry, ...]
    added: frozenset[str]
    rebuild: frozenset[str] = frozenset()
    reread: frozenset[str] = frozenset()

    @property
    def to_read(self) -> frozenset[str]:
        """The keys of all objects whose rows are needed."""
        return self.added | self.reread


def decide_states(
    links: Mapping[str, Iterable[str]], listed: Collection[str], rejected: Iterable[str]
) -> dict[str, str]:
    """Return the state of each listed object.

    Args:
        links: which keys each object supersedes, also for objects that raw no longer holds, so that a chain holds when
            its middle is rejected or deleted. What nothing superseded but a rejected object counts again.
    """
    out = set(rejected)
    superseded: set[str] = set()
    for key in listed:
        seen = {key}
        waiting = list(links.get(key, ())) if key not in out else []
        while waiting:
            earlier = waiting.pop()
            if earlier not in seen:
                seen.add(earlier)
                waiting.extend(links.get(earlier, ()))
        superseded |= seen - {key}
    return {key: REJECTED if key in out else SUPERSEDED if key in superseded else ACTIVE for key in listed}


def read_links(metadata: Mapping[str, str]) -> list[str]:
    """Return the keys that an object's metadata says it supersedes: quoted, with spaces between them."""
    return [unquote(key) for key in metadata.get("supersedes", "").split()]


def plan_full(why: str, listed: Mapping[str, Entry], ledger: Entry) -> Plan:
    """Plan to read everything; what raw no longer holds stays in the account."""
    added = frozenset(key for key, entry in listed.items() if entry["state"] == ACTIVE)
    return Plan(True, why, listed, {}, _find_gone(listed, ledger), added)


def plan_increment(listed: Mapping[str, Entry], ledger: Entry, aligned: bool) -> Plan:
    """Plan to read what is new and to rebuild what lost an object.

    Args:
        aligned: whether a row's key decides its partition; if not, an object that is gone may have beaten rows of any
            partition, and all is built anew.
    """
    before = {entry["key"]: entry for entry in ledger["objects"]}
    counted = {key for key, entry in before.items() if entry["state"] == ACTIVE}
    same = {key for key in counted if key in listed and listed[key]["etag"] == before[key]["etag"]}
    active = {key for key, entry in listed.items() if entry["state"] == ACTIVE}
    lost = counted - (same & active)
    rebuild = frozenset(name for key in lost for name in before[key]["partitions"])
    known = {entry["partition"]: entry for entry in ledger["partitions"]}
    if rebuild and (not aligned or any("lost" not in known[name] for name in rebuild if name in known)):
        return plan_full("a delivery no longer counts, which may have beaten rows of any partition", listed, ledger)
    kept = {key: before[key] for key in same & active}
    reread = frozenset(key for key, entry in kept.items() if rebuild & set(entry["partitions"]))
    gone = _find_gone(listed, ledger)
    why = f"{len(active - same)} new, {len(lost)} no longer counted, {len(rebuild)} partitions from raw"
    return Plan(False, why, listed, kept, gone, frozenset(active - same), rebuild, reread)


def is_settled(listed: Mapping[str, Entry], ledger: Entry) -> bool:
    """Tell whether the ledger has exactly these objects, in these versions and states."""
    known = {entry["key"]: (entry["etag"], entry["state"]) for entry in ledger["objects"]}
    return known == {key: (entry["etag"], entry["state"]) for key, entry in listed.items()}


def _find_gone(listed: Mapping[str, Entry], ledger: Entry) -> tuple[Entry, ...]:
    """Return what raw held at some time and does not hold now, each version once."""
    found = {(entry["key"], entry["etag"]): entry for entry in ledger.get("gone", ())}
    for entry in ledger.get("objects", ()):
        state = DELETED if entry["key"] not in listed else REPLACED
        kept = {name: entry[name] for name in ("key", "etag", "bytes", "rows")}
        links = list(entry.get("supersedes", ()))
        found[entry["key"], entry["etag"]] = kept | {"supersedes": links, "state": state}
    there = {(key, entry["etag"]) for key, entry in listed.items()}
    return tuple(entry for version, entry in sorted(found.items()) if version not in there)


def count_rows(objects: Iterable[Entry], gone: Iterable[Entry], curated: int, lost: Entry) -> dict[str, int]:
    """Return what became of every row that was ever ingested.

    Args:
        curated: the rows of the table.
        lost: of the rows that count, those that were `duplicates_removed` and `superseded` by another row.
    """
    active = [entry for entry in objects if entry["state"] == ACTIVE]
    out = [entry for entry in objects if entry["state"] != ACTIVE]
    passed = sum(entry["rows"] for entry in [*out, *gone])
    return {
        "readable": sum(entry["rows"] for entry in active) + passed,
        "curated": curated,
        "duplicates_removed": lost["duplicates_removed"],
        "superseded": lost["superseded"] + passed,
        "quarantined": sum(entry["rejected"] for entry in active),
    }


def sum_reasons(objects: Iterable[Entry]) -> dict[str, int]:
    """Return the rejected rows of the objects that count by reason; a row may have several."""
    found: dict[str, int] = {}
    for entry in objects:
        if entry["state"] == ACTIVE:
            for reason, count in entry["reasons"].items():
                found[reason] = found.get(reason, 0) + count
    return dict(sorted(found.items()))


def check_sum(rows: Mapping[str, int]) -> None:
    """Check that readable rows are the sum of what became of them.

    Raises:
        LostRowsError: they are not.
    """
    if rows["readable"] != sum(count for name, count in rows.items() if name != "readable"):
        raise LostRowsError(f"rows are unaccounted for: {rows}; nothing was published")


def check_counts(files: "Iterable[RawFile]", counts: Iterable[Mapping[str, Any]]) -> None:
    """Compare the records that Spark read with those that stand in the files.

    Raises:
        LostRowsError: they differ in a file.
    """
    read: Counter[str] = Counter()
    for count in counts:
        read[count["file"]] += count["rows"]
    for file in files:
        if read[file.key] != file.rows:
            raise LostRowsError(
                f"{file.key} has {file.rows} records, and Spark read {read[file.key]}: report this file; "
                f"`workbench reject {file.key} --reason …` takes it out until then"
            )
