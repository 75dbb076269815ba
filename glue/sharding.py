"""Split a large partition into a fixed number of objects by the hash of the key: a row never changes its object.

The number is decided where a partition is built for the first time or all is built anew, and kept in the ledger.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import building
import transform
from building import Built, Site
from layout import escape_pattern
from publication import Copy

OBJECT_BYTES = 256 << 20  # what one object holds; the compiled contract's `object_bytes` says otherwise
SHARD = "_shard"


def split_partitions(site: Site, built: Built, earlier: Iterable[Mapping[str, Any]]) -> Built:
    """Return what was built with each large partition as several objects.

    Args:
        earlier: the ledger's entries of the partitions that keep their number of objects.
    """
    known = {entry["partition"]: int(entry.get("shards", 1)) for entry in earlier}
    limit = site.contract.get("object_bytes", OBJECT_BYTES)
    copies: list[Copy] = []
    for place, copy in enumerate(built.copies):
        shards = known.get(building.partition_of(copy.target)) or math.ceil(copy.bytes / limit)
        copies += [copy] if shards == 1 else write_shards(site, copy, shards, f"shards-{place:05d}")
    return replace(built, copies=copies)


def write_shards(site: Site, copy: Copy, shards: int, name: str) -> list[Copy]:
    """Write a partition's rows again, as so many objects; one without rows is left out.

    Args:
        name: where under _tmp/.
    """
    schema, partition = transform.table_schema(site.contract), site.contract["partition"]
    key = [column for column in site.contract["key"] if column != partition]  # that one is the same in all rows
    number = f"pmod(xxhash64({', '.join(f'`{column}`' for column in key)}), {shards}) AS {SHARD}"
    rows = site.spark.read.schema(schema).parquet(site.uri(escape_pattern(copy.source))).drop(partition)
    spread = rows.selectExpr("*", number).repartition(shards, SHARD).sortWithinPartitions(SHARD, *key)
    writer = spread.write.mode("overwrite").partitionBy(SHARD).option(building.NO_MARK, "false")
    writer.parquet(site.temporary(name))
    folder = copy.target.rpartition("/")[0]
    return [
        replace(found, target=f"{folder}/part-{int(building.partition_of(found.target)):05d}-of-{shards:05d}.parquet")
        for found in building.stage(site, name, f"{folder}/")
    ]
