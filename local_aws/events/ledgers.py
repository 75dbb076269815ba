"""The reconciling listing: which raw objects does no ledger of the job have?

The job's layout on S3 is in docs/data.md: contracts under _contracts/, ledgers under _ledger/<dataset>/, of which the
one with the highest number counts.
"""

from __future__ import annotations

import json
import re
from typing import Any

_CONTRACT = re.compile(r"_contracts/([^/]+)\.json")
_LEDGER = re.compile(r"_ledger/[^/]+/(\d+)-.+(?<!\.intent)\.json")


def list_datasets(s3: Any, curated: str) -> list[str]:
    """Return the datasets that have a contract."""
    return [found[1] for key, _ in _list(s3, curated, "_contracts/") if (found := _CONTRACT.fullmatch(key))]


def find_unprocessed(s3: Any, raw: str, curated: str) -> list[str]:
    """Return the keys of raw objects whose present version no ledger has; hidden names are nobody's."""
    missing = []
    for dataset in list_datasets(s3, curated):
        known = read_objects(s3, curated, dataset)
        listed = _list(s3, raw, f"{dataset}/")
        missing += [key for key, etag in listed if known.get(key) != etag and not is_hidden(key)]
    return missing


def read_objects(s3: Any, curated: str, dataset: str) -> dict[str, str]:
    """Return key -> etag of what the newest whole ledger of a dataset has."""
    entries = [
        (int(found[1]), key)
        for key, _ in _list(s3, curated, f"_ledger/{dataset}/")
        if (found := _LEDGER.fullmatch(key))
    ]
    for _, key in sorted(entries, reverse=True):
        try:
            ledger = json.loads(s3.get_object(Bucket=curated, Key=key)["Body"].read())
            return {entry["key"]: entry["etag"] for entry in ledger["objects"]}
        except (ValueError, KeyError, TypeError):
            continue  # it is not whole: the one before it counts
    return {}


def is_hidden(key: str) -> bool:
    """Say whether the job passes over an object of this name."""
    return key.rpartition("/")[2][:1] in ("", "_", ".")


def _list(s3: Any, bucket: str, prefix: str) -> list[tuple[str, str]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [(entry["Key"], entry["ETag"].strip('"')) for page in pages for entry in page.get("Contents", [])]
