"""Read CREATE EXTERNAL TABLE: columns in Hive's types, and the clauses that say where and how the files lie."""

from local_aws.athena import statements as s
from local_aws.athena.errors import QueryError
from local_aws.athena.words import Words

FORMATS = {"PARQUET": "parquet", "TEXTFILE": "textfile", "JSON": "json"}


def read_external_table(words: Words) -> s.CreateTable:
    """Read what follows CREATE EXTERNAL TABLE."""
    if_not_exists = words.accept("IF", "NOT", "EXISTS")
    table = words.table_name()
    columns = read_columns(words)
    found: dict[str, object] = {}
    while not words.at_end():
        _table_clause(words, found)
    location = found.pop("location", None)
    if not isinstance(location, str):
        raise QueryError("SYNTAX_ERROR", f"CREATE EXTERNAL TABLE {table}: LOCATION is missing")
    partitions = found.pop("partitions", [])
    return s.CreateTable(table, if_not_exists, columns, partitions, location, **found)  # type: ignore[arg-type]


def _table_clause(words: Words, found: dict[str, object]) -> None:
    if words.accept("COMMENT"):
        found["comment"] = words.string()
    elif words.accept("PARTITIONED", "BY"):
        found["partitions"] = read_columns(words)
    elif words.accept("ROW", "FORMAT", "SERDE"):
        found["serde"] = words.string()
        if words.accept("WITH", "SERDEPROPERTIES"):
            found["serde_properties"] = words.strings()
    elif words.accept("ROW", "FORMAT", "DELIMITED"):
        found["serde_properties"] = _delimited(words)
    elif words.accept("STORED", "AS", "INPUTFORMAT"):
        found["format"] = "parquet" if "parquet" in words.string().lower() else "textfile"
        words.expect("OUTPUTFORMAT")
        words.string()
    elif words.accept("STORED", "AS"):
        name = words.take().upper
        if name not in FORMATS:
            raise QueryError("NOT_SUPPORTED", f"STORED AS {name} is not supported by the local Athena")
        found["format"] = FORMATS[name]
    elif words.accept("LOCATION"):
        found["location"] = words.string()
    elif words.accept("TBLPROPERTIES"):
        found["properties"] = words.strings()
    elif words.accept("CLUSTERED"):
        raise QueryError("NOT_SUPPORTED", "CLUSTERED BY is not supported by the local Athena")
    else:
        words.fail("<table clause>")


def _delimited(words: Words) -> dict[str, str]:
    clauses = {
        ("FIELDS", "TERMINATED", "BY"): "field.delim",
        ("ESCAPED", "BY"): "escape.delim",
        ("COLLECTION", "ITEMS", "TERMINATED", "BY"): "collection.delim",
        ("MAP", "KEYS", "TERMINATED", "BY"): "mapkey.delim",
        ("LINES", "TERMINATED", "BY"): "line.delim",
        ("NULL", "DEFINED", "AS"): "serialization.null.format",
    }
    properties: dict[str, str] = {}
    while True:
        name = next((name for keywords, name in clauses.items() if words.accept(*keywords)), None)
        if name is None:
            break
        properties[name] = words.string()
    if properties.pop("line.delim", "\n") != "\n":
        raise QueryError("NOT_SUPPORTED", "LINES TERMINATED BY allows only \\n")
    if "field.delim" in properties:
        properties["serialization.format"] = properties["field.delim"]
    return properties


def read_columns(words: Words) -> list[s.Column]:
    """Read (name type [COMMENT text], ...)."""
    words.expect_symbol("(")
    columns = []
    while True:
        name = words.identifier()
        type_ = _type(words)
        columns.append(s.Column(name, type_, words.string() if words.accept("COMMENT") else None))
        if not words.accept_symbol(","):
            break
    words.expect_symbol(")")
    return columns


def _type(words: Words) -> str:
    """Take a Hive type as text without spaces; whether the type exists is not known here."""
    text, depth = "", 0
    while True:
        word = words.word
        ends = word.kind == "end" or (depth == 0 and (word.text in (",", ")") or (text and word.kind != "symbol")))
        if ends and text:
            return text
        if word.kind == "end" or (not text and word.kind != "word"):
            words.fail("<type>")
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(word.text, 0)
        text += words.take().text.strip("`").lower()
