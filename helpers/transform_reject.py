"""Take a delivery out of its dataset, or back in: a mark beside the raw objects, which are never changed.

The mark is `<dataset>/_rejected/_<hash of the key>.json` in the raw bucket: {"key", "rejected", "reason", "at"}. The
next run of the job finds it, rebuilds the partitions that the object fed, and keeps state and reason in its ledger.
"""

import datetime as dt
import hashlib

from helpers.errors import UsageError, nearest
from helpers.objects import S3Object, list_objects, write_json
from helpers.record import step_entry
from helpers.session import open_session


@step_entry
def reject_object(name: str, reason: str, profile: str = "local", undo: bool = False) -> str:
    """Mark a raw object as rejected, or take the mark back; return its key.

    Args:
        name: its s3:// URI, its key, or the end of a key that only one object has.
        reason: kept in the ledger.

    Raises:
        UsageError: no raw object is called so, or several are; they are named.
    """
    session = open_session(profile)
    s3, bucket = session.client("s3"), session.outputs.raw_bucket
    key = find_object(name, [found for found in list_objects(s3, bucket, "") if found.name[:1] not in ("", "_", ".")])
    mark = f"{key.partition('/')[0]}/_rejected/_{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    write_json(s3, bucket, mark, {"key": key, "rejected": not undo, "reason": reason, "at": now})
    return key


def find_object(name: str, listed: list[S3Object]) -> str:
    """Return the key that `name` means.

    Raises:
        UsageError: none does, or several do.
    """
    keys = [found.key for found in listed]
    wanted = name.split("/", 3)[-1] if name.startswith("s3://") else name
    found = [key for key in keys if key == wanted] or [key for key in keys if key.endswith(wanted)]
    if not wanted or not found:
        names = [key.rpartition("/")[2] for key in keys]
        raise UsageError(f'no raw object is called "{name}"; {nearest(name, names[:20])}')
    if len(found) > 1:
        raise UsageError(f'{len(found)} raw objects are called "{name}": {", ".join(found[:3])}; give the whole key')
    return found[0]
