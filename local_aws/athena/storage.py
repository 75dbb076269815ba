"""How the catalog says that files are stored: SerDe, input format and their parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.athena.errors import QueryError

# Format -> (SerDe, input format, output format), as Athena writes them for new tables.
HADOOP = "org.apache.hadoop."
TEXT_INPUT = HADOOP + "mapred.TextInputFormat"
TEXT_OUTPUT = HADOOP + "hive.ql.io.HiveIgnoreKeyTextOutputFormat"
PARQUET = HADOOP + "hive.ql.io.parquet."
FORMATS = {
    "parquet": (
        PARQUET + "serde.ParquetHiveSerDe",
        PARQUET + "MapredParquetInputFormat",
        PARQUET + "MapredParquetOutputFormat",
    ),
    "textfile": (HADOOP + "hive.serde2.lazy.LazySimpleSerDe", TEXT_INPUT, TEXT_OUTPUT),
    "opencsv": (HADOOP + "hive.serde2.OpenCSVSerde", TEXT_INPUT, TEXT_OUTPUT),
    "json": ("org.openx.data.jsonserde.JsonSerDe", TEXT_INPUT, TEXT_OUTPUT),
}
SERDES = {
    "parquethiveserde": "parquet",
    "lazysimpleserde": "textfile",
    "opencsvserde": "opencsv",
    "jsonserde": "json",
}


@dataclass(frozen=True)
class Storage:
    """A format (parquet, textfile, opencsv, json) with its parameters and the header lines to skip."""

    format: str
    settings: tuple[tuple[str, str], ...] = ()
    skip: int = 0

    @property
    def parameters(self) -> dict[str, str]:
        """Return the SerDe's parameters."""
        return dict(self.settings)


def storage_of(descriptor: Mapping[str, Any], table: Mapping[str, Any]) -> Storage:
    """Read the storage from a StorageDescriptor; a SerDe that has no reader here is NOT_SUPPORTED."""
    serde = descriptor.get("SerdeInfo", {})
    library = str(serde.get("SerializationLibrary") or "")
    format_ = SERDES.get(library.rsplit(".", 1)[-1].lower())
    if not library:
        parquet = "parquet" in str(descriptor.get("InputFormat", "")).lower()
        format_ = "parquet" if parquet else "textfile"
    if format_ is None:
        raise QueryError("NOT_SUPPORTED", f"SerDe {library} of table {table.get('Name')} is not supported locally")
    settings = {str(name): str(value) for name, value in (serde.get("Parameters") or {}).items()}
    if format_ == "parquet":
        return Storage(format_)
    both = {**(descriptor.get("Parameters") or {}), **(table.get("Parameters") or {}), **settings}
    for name in ("skip.footer.line.count", "textinputformat.record.delimiter"):
        if str(both.get(name, "0")) not in ("0", "\n"):
            raise QueryError("NOT_SUPPORTED", f"Property {name} of table {table.get('Name')} is not supported locally")
    encoding = str(both.get("serialization.encoding", "utf-8")).lower()
    if encoding not in ("utf-8", "utf8"):
        raise QueryError("NOT_SUPPORTED", f"Encoding {encoding} of table {table.get('Name')} is not supported locally")
    header = str(both.get("skip.header.line.count", "0"))
    return Storage(format_, tuple(sorted(settings.items())), int(header) if header.isdigit() else 0)
