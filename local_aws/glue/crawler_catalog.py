"""What a crawl writes into the Data Catalog: tables and partitions, made, changed or removed as the policies say."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.glue.crawler_layout import Remark, table_name
from local_aws.glue.crawler_schema import FoundPartition, FoundTable
from local_aws.glue.crawler_settings import CrawlerSettings
from local_aws.glue.crawler_tables import (
    READING,
    STATISTICS,
    UPDATED_BY,
    describe_storage,
    folder_uri,
    location_of,
    reads_otherwise,
    table_input,
    table_parameters,
)
from local_aws.glue.schema import holds, parse_type
from local_aws.server.context import Context

Json = dict[str, Any]

DEPRECATED = "DEPRECATED_BY_CRAWLER"


class TableProblemError(Exception):
    """One table cannot be written; the crawl goes on with the others and ends as FAILED."""


@dataclass
class Totals:
    """How many tables a crawl created, changed and removed (or marked as deprecated)."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


class CatalogWriter:
    """Bring the catalog to what was found, one table a transaction, and say each change in the log."""

    def __init__(self, context: Context, settings: CrawlerSettings, log: Remark) -> None:
        self._catalog = context.catalog
        self._store = context.store
        self._lake = context.lake
        self._settings = settings
        self._log = log
        self.totals = Totals()
        self.seen: set[str] = set()

    def write(self, found: FoundTable) -> None:
        """Create or update one table and its partitions. Raises TableProblemError."""
        with self._store.transaction():
            name, old = self._place(found)
            self.seen.add(name)
            if old is None:
                table = self._table_input(name, found)
                self._catalog.create_table(self._settings.database, table)
                self.totals.created += 1
                self._log(f"table {name} created: {len(found.columns)} columns, {found.format.classification}")
                self._write_partitions(name, table, found)
                return
            changed = self._update(old, found)
            current = self._catalog.get_table(self._settings.database, name)
            if self._write_partitions(name, current, found) or changed:
                self.totals.updated += 1
            else:
                self._log(f"table {name} unchanged")

    def remove_vanished(self) -> None:
        """Treat tables that this crawler once wrote, and whose files are gone, as DeleteBehavior says."""
        targets = tuple(target.rstrip("/") + "/" for target in self._settings.targets)
        for table in self._catalog.list_tables(self._settings.database):
            ours = table.get("Parameters", {}).get(UPDATED_BY) == self._settings.name
            location = location_of(table) + "/"
            if table["Name"] in self.seen or not ours or not location.startswith(targets):
                continue
            what = f"table {table['Name']}: no data files in {location}"
            if self._settings.delete == "DELETE_FROM_DATABASE":
                self._catalog.delete_table(self._settings.database, table["Name"])
                self._log(f"{what}: deleted")
            elif self._settings.delete == "DEPRECATE_IN_DATABASE" and DEPRECATED not in table["Parameters"]:
                stamp = {DEPRECATED: str(round(time.time() * 1000))}
                parameters = {**table["Parameters"], **stamp}
                self._catalog.update_table(self._settings.database, {**table_input(table), "Parameters": parameters})
                self._log(f"{what}: marked {DEPRECATED}")
            else:
                self._log(f"WARN {what}: left as it is ({self._settings.delete})")
                continue
            self.totals.deleted += 1

    def keep(self, folder: Path) -> None:
        """Count the table of a folder as seen, though it could not be written: it has not vanished."""
        location = folder_uri(self._lake, folder).rstrip("/")
        tables = self._catalog.list_tables(self._settings.database)
        self.seen |= {table["Name"] for table in tables if location_of(table) == location}

    def _place(self, found: FoundTable) -> tuple[str, Json | None]:
        """Return the table's name and what the catalog has of it; a name that another location has gets a hash."""
        location = folder_uri(self._lake, found.folder)
        tables = {table["Name"]: table for table in self._catalog.list_tables(self._settings.database)}
        for name, table in tables.items():
            if location_of(table) == location.rstrip("/"):
                return name, table
        name = table_name(found.folder, self._settings.prefix)
        if name in tables:
            taken = name
            name = f"{name}_{hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()}"
            self._log(f"WARN table {taken} is at {location_of(tables[taken])}: {location} becomes {name}")
        return name, None

    def _table_input(self, name: str, found: FoundTable) -> Json:
        parameters = table_parameters(found.format, found.partitions, self._settings.name)
        descriptor = describe_storage(found.format, found.columns, folder_uri(self._lake, found.folder), parameters)
        return {
            "Name": name,
            "Owner": "owner",
            "Retention": 0,
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": descriptor,
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in found.keys],
            "Parameters": parameters,
        }

    def _update(self, old: Json, found: FoundTable) -> bool:
        """Bring an existing table to what was found; say whether its definition changed."""
        keys = [key["Name"] for key in old.get("PartitionKeys", [])]
        if keys != list(found.keys):
            raise TableProblemError(
                f"table {old['Name']} has the partition keys ({', '.join(keys)}), its folders say "
                f"({', '.join(found.keys)}): delete the table to have it made anew"
            )
        descriptor = old["StorageDescriptor"]
        fresh = describe_storage(found.format, found.columns, descriptor["Location"], {})
        same_format = descriptor.get("InputFormat") == fresh["InputFormat"]
        columns, changes = self._merge_columns(descriptor.get("Columns", []), found)
        if not same_format:
            changes.append(f"format {descriptor.get('InputFormat')} becomes {found.format.classification}")
        for change in changes:
            applied = "" if self._settings.update == "UPDATE_IN_DATABASE" else " (only logged: UpdateBehavior is LOG)"
            self._log(f"table {old['Name']}: {change}{applied}")
        if self._settings.update != "UPDATE_IN_DATABASE":
            return False
        reading = {"Columns": columns} if same_format else {**fresh, "Columns": columns}
        return self._put_update(old, {**descriptor, **reading}, found, bool(changes))

    def _put_update(self, old: Json, descriptor: Json, found: FoundTable, changed: bool) -> bool:
        """Write a changed definition as a new version; new statistics alone replace the old ones silently."""
        known = {key: value for key, value in old.get("Parameters", {}).items() if key != DEPRECATED}
        measured = table_parameters(found.format, found.partitions, self._settings.name)
        if changed:
            parameters = {**known, **measured}
        else:
            parameters = {**measured, **known, **{key: measured[key] for key in STATISTICS}}
            if known.get(UPDATED_BY) is None:
                parameters.pop(UPDATED_BY)
        if not changed and parameters == old.get("Parameters", {}):
            return False
        table = {**table_input(old), "StorageDescriptor": descriptor, "Parameters": parameters}
        self._catalog.update_table(self._settings.database, table, skip_archive=not changed)
        return changed

    def _merge_columns(self, old: Sequence[Json], found: FoundTable) -> tuple[list[Json], list[str]]:
        """Merge columns by name: comments and wider types stay, new ones come last; return them and what changed."""
        wanted = {column.name: column for column in found.columns}
        merged, changes = [], []
        for column in old:
            new = wanted.pop(column["Name"].lower(), None)
            if new is None:
                if found.complete and not self._settings.merge_new_columns:
                    changes.append(f"column {column['Name']} is in no file: removed")
                    continue
                merged.append(column)
            elif self._settings.merge_new_columns or holds(parse_type(column["Type"]), new.type, found.format.is_text):
                merged.append(column)
            else:
                changes.append(f"column {column['Name']}: {column['Type']} becomes {new.type}")
                merged.append({**column, "Type": str(new.type)})
        for new in wanted.values():
            changes.append(f"column {new.name} {new.type} is new")
            merged.append({"Name": new.name, "Type": str(new.type)})
        if found.format.classification == "csv" and not self._settings.merge_new_columns:
            order = {column.name: index for index, column in enumerate(found.columns)}
            merged.sort(key=lambda column: order.get(column["Name"], len(order)))
        return merged, changes

    def _write_partitions(self, name: str, table: Json, found: FoundTable) -> bool:
        """Register new partitions, renew changed ones and treat vanished ones; say whether anything changed."""
        if not found.keys:
            return False
        database = self._settings.database
        known = {tuple(each["Values"]): each for each in self._catalog.list_partitions(database, name)}
        new, renewed = [], 0
        for partition in found.partitions:
            old = known.pop(partition.values, None)
            descriptor = self._partition_descriptor(table, found, partition)
            if old is None:
                parameters = table_parameters(found.format, [partition], self._settings.name)
                new.append(
                    {"Values": list(partition.values), "StorageDescriptor": descriptor, "Parameters": parameters}
                )
            elif self._settings.update == "UPDATE_IN_DATABASE" and reads_otherwise(old, descriptor):
                kept: Json = {key: old[key] for key in ("Parameters", "LastAccessTime") if key in old}
                reading = {**old["StorageDescriptor"], **{key: descriptor[key] for key in READING if key in descriptor}}
                self._catalog.update_partition(database, name, old["Values"], {**kept, "StorageDescriptor": reading})
                renewed += 1
        self._catalog.create_partitions(database, name, new)
        if new or renewed:
            self._log(f"table {name}: {len(new)} partitions new, {renewed} renewed")
        vanished = [each for values, each in known.items() if values not in found.unread]
        return self._remove_partitions(name, vanished) or bool(new or renewed)

    def _remove_partitions(self, name: str, vanished: list[Json]) -> bool:
        """Treat registered partitions without files as DeleteBehavior says; one at a place of its own is left alone."""
        root = location_of(self._catalog.get_table(self._settings.database, name)) + "/"
        gone = [each for each in vanished if location_of(each).startswith(root)]
        if not gone:
            return False
        values = ", ".join("/".join(each["Values"]) for each in gone[:5]) + (", …" if len(gone) > 5 else "")
        what = f"table {name}: {len(gone)} partitions without files ({values})"
        if self._settings.delete == "DELETE_FROM_DATABASE":
            self._catalog.delete_partitions(self._settings.database, name, [each["Values"] for each in gone])
            self._log(f"{what}: deleted")
            return True
        marked = [each for each in gone if DEPRECATED not in each.get("Parameters", {})]
        if self._settings.delete == "LOG" or not marked:
            self._log(f"WARN {what}: left as they are ({self._settings.delete})")
            return False
        for each in marked:
            parameters = {**each.get("Parameters", {}), DEPRECATED: str(round(time.time() * 1000))}
            new = {"StorageDescriptor": each["StorageDescriptor"], "Parameters": parameters}
            self._catalog.update_partition(self._settings.database, name, each["Values"], new)
        self._log(f"{what}: marked {DEPRECATED}")
        return True

    def _partition_descriptor(self, table: Json, found: FoundTable, partition: FoundPartition) -> Json:
        location = folder_uri(self._lake, partition.folder)
        if self._settings.inherit_from_table:
            return {**table["StorageDescriptor"], "Location": location}
        parameters = table_parameters(found.format, [partition], self._settings.name)
        return describe_storage(found.format, partition.columns, location, parameters)
