"""The Data Catalog: databases, tables with their versions, and partitions, in the shapes of Glue's API.

Sole owner of the kinds `database`, `table`, `table_version`, `partition` and `column_statistics` of the store.
Names are lower-cased, as Glue does. Times are epoch seconds. What is returned is a copy.
"""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from local_aws.errors import ServiceError
from local_aws.store import Store

Json = dict[str, Any]

SEPARATOR = "\x1f"  # not allowed in any name, so a key can be neither ambiguous nor a prefix of another's


class Catalog:
    """Read and write the catalog; every method is atomic, also against other threads and processes.

    Raises ServiceError: EntityNotFoundException, AlreadyExistsException, InvalidInputException,
    ConcurrentModificationException.
    """

    def __init__(self, store: Store, account_id: str = "000000000000") -> None:
        self.store = store
        self.account_id = account_id

    def get_database(self, name: str) -> Json:
        """Return the Database named `name`."""
        database = self.store.get("database", name.lower())
        if database is None:
            raise ServiceError("EntityNotFoundException", f"Database {name.lower()} not found.")
        return database

    def list_databases(self) -> list[Json]:
        """Return every Database, by name."""
        return [database for _, database in self.store.list("database")]

    def create_database(self, input: Json) -> None:
        """Create a database from a DatabaseInput."""
        name = _name(input)
        with self.store.transaction():
            if self.store.get("database", name) is not None:
                raise ServiceError("AlreadyExistsException", f"Database {name} already exists.")
            owned = {"CreateTime": _now(), "CatalogId": self.account_id}
            self.store.put("database", name, {**input, "Name": name, **owned})

    def update_database(self, name: str, input: Json) -> None:
        """Replace the definition of database `name`; its tables stay. A new name is refused."""
        with self.store.transaction():
            old = self.get_database(name)
            if _name(input) != old["Name"]:
                raise ServiceError("InvalidInputException", f"Database {old['Name']} cannot be renamed.")
            kept = {key: old[key] for key in ("Name", "CreateTime", "CatalogId")}
            self.store.put("database", old["Name"], {**input, **kept})

    def delete_database(self, name: str) -> None:
        """Delete the database with its tables and their partitions; the files of the lake stay."""
        with self.store.transaction():
            key = self.get_database(name)["Name"]
            self.store.delete("database", key)
            for kind in ("table", "table_version", "partition", "column_statistics"):
                self.store.delete_prefix(kind, key + SEPARATOR)

    def get_table(self, database: str, name: str) -> Json:
        """Return the Table; a missing database and a missing table are told apart in the message."""
        table = self.store.get("table", _key(database, name))
        if table is None:
            self.get_database(database)
            raise ServiceError("EntityNotFoundException", f"Table {name.lower()} not found.")
        return table

    def list_tables(self, database: str) -> list[Json]:
        """Return every Table of the database, by name."""
        self.get_database(database)
        return [table for _, table in self.store.list("table", database.lower() + SEPARATOR)]

    def create_table(self, database: str, input: Json) -> None:
        """Create a table from a TableInput, as version 0."""
        with self.store.transaction():
            owner = self.get_database(database)["Name"]
            name = _name(input)
            if self.store.get("table", _key(owner, name)) is not None:
                raise ServiceError("AlreadyExistsException", f"Table {name} already exists.")
            now = _now()
            self._put_table(owner, input, {"CreateTime": now, "UpdateTime": now, "VersionId": "0"})

    def update_table(
        self, database: str, input: Json, skip_archive: bool = False, version_id: str | None = None
    ) -> None:
        """Replace a table by a TableInput; the old version is archived unless `skip_archive`.

        Where `version_id` is given, the table must still be at that version.
        """
        with self.store.transaction():
            old = self.get_table(database, _name(input))
            if version_id is not None and version_id != old["VersionId"]:
                message = f"Table {old['Name']} is at version {old['VersionId']}, not {version_id}."
                raise ServiceError("ConcurrentModificationException", message)
            if not skip_archive:
                key = _version_key(database, old["Name"], old["VersionId"])
                self.store.put("table_version", key, old)
            version = str(int(old["VersionId"]) + 1)
            stamps = {"CreateTime": old["CreateTime"], "UpdateTime": _now(), "VersionId": version}
            self._put_table(old["DatabaseName"], input, stamps)

    def delete_table(self, database: str, name: str) -> None:
        """Delete the table with its versions, partitions and statistics; the files of the lake stay."""
        with self.store.transaction():
            self.get_table(database, name)
            key = _key(database, name)
            self.store.delete("table", key)
            for kind in ("table_version", "partition", "column_statistics"):
                self.store.delete_prefix(kind, key + SEPARATOR)

    def list_table_versions(self, database: str, name: str) -> list[Json]:
        """Return the Table of every version, the current one first, then the archived ones from new to old."""
        current = self.get_table(database, name)
        archived = self.store.list("table_version", _key(database, name) + SEPARATOR)
        return [current, *(table for _, table in reversed(archived))]

    def delete_table_version(self, database: str, name: str, version_id: str) -> None:
        """Delete one archived version; the current one is refused."""
        with self.store.transaction():
            current = self.get_table(database, name)["VersionId"]
            if version_id == current:
                raise ServiceError("InvalidInputException", f"Version {version_id} is the current one: not deleted.")
            if not self.store.delete("table_version", _version_key(database, name, version_id)):
                raise ServiceError("EntityNotFoundException", f"Version {version_id} of table {name} not found.")

    def get_partition(self, database: str, table: str, values: Sequence[str]) -> Json:
        """Return the Partition with these values, in the order of the table's partition keys."""
        partition = self.store.get("partition", _partition_key(database, table, values))
        if partition is None:
            self.get_table(database, table)
            raise ServiceError("EntityNotFoundException", f"Partition {list(values)} of table {table} not found.")
        return partition

    def list_partitions(self, database: str, table: str) -> list[Json]:
        """Return every registered Partition of the table, in a stable order."""
        self.get_table(database, table)
        return [partition for _, partition in self.store.list("partition", _key(database, table) + SEPARATOR)]

    def list_partition_values(self, database: str, table: str) -> list[list[str]]:
        """Return the values of every registered partition, in the order of `list_partitions`, which costs more."""
        self.get_table(database, table)
        prefix = _key(database, table) + SEPARATOR
        return [json.loads(key.removeprefix(prefix)) for key in self.store.keys("partition", prefix)]

    def create_partitions(self, database: str, table: str, inputs: Iterable[Json]) -> None:
        """Register partitions from PartitionInputs: all of them, or none where one exists or does not fit."""
        with self.store.transaction():
            owner = self.get_table(database, table)
            for input in inputs:
                values = _values(owner, input)
                key = _partition_key(database, table, values)
                if self.store.get("partition", key) is not None:
                    raise ServiceError("AlreadyExistsException", f"Partition {values} of table {table} already exists.")
                self._put_partition(key, owner, input, _now())

    def update_partition(self, database: str, table: str, values: Sequence[str], input: Json) -> None:
        """Replace one partition by a PartitionInput, which must name the same values or none."""
        with self.store.transaction():
            old = self.get_partition(database, table, values)
            if input.get("Values", old["Values"]) != old["Values"]:
                raise ServiceError("InvalidInputException", f"Partition {list(values)} keeps its values.")
            owner = self.get_table(database, table)
            key = _partition_key(database, table, values)
            self._put_partition(key, owner, {**input, "Values": old["Values"]}, old["CreationTime"])

    def delete_partitions(self, database: str, table: str, values_list: Iterable[Sequence[str]]) -> None:
        """Deregister partitions: all of them, or none where one is missing. The files of the lake stay."""
        with self.store.transaction():
            for values in values_list:
                self.get_partition(database, table, values)
                key = _partition_key(database, table, values)
                self.store.delete("partition", key)
                self.store.delete_prefix("column_statistics", key + SEPARATOR)

    def _put_table(self, database: str, input: Json, stamps: Json) -> None:
        name = _name(input)
        owned = {"Name": name, "DatabaseName": database, "CatalogId": self.account_id}
        defaults = {"Retention": 0, "PartitionKeys": [], "IsRegisteredWithLakeFormation": False}
        self.store.put("table", _key(database, name), {**defaults, **input, **owned, **stamps})

    def _put_partition(self, key: str, table: Json, input: Json, created: float) -> None:
        owned = {
            "DatabaseName": table["DatabaseName"],
            "TableName": table["Name"],
            "CatalogId": self.account_id,
            "CreationTime": created,
        }
        self.store.put("partition", key, {**input, **owned})


def _now() -> float:
    return round(time.time(), 3)


def _name(input: Json) -> str:
    name = str(input.get("Name", "")).lower()
    if not name or any(ord(character) < 32 for character in name):
        raise ServiceError("InvalidInputException", f"{name!r} is no name: give one line of text.")
    return name


def _key(database: str, name: str) -> str:
    return f"{database}{SEPARATOR}{name}".lower()


def _version_key(database: str, name: str, version_id: str) -> str:
    return f"{_key(database, name)}{SEPARATOR}{version_id:0>8}"


def _partition_key(database: str, table: str, values: Sequence[str]) -> str:
    return f"{_key(database, table)}{SEPARATOR}{json.dumps(list(values), ensure_ascii=False)}"


def _values(table: Json, input: Json) -> list[str]:
    values, keys = list(input.get("Values", [])), table["PartitionKeys"]
    if len(values) != len(keys):
        message = f"Partition {values} has {len(values)} values, table {table['Name']} has {len(keys)} partition keys."
        raise ServiceError("InvalidInputException", message)
    return values
