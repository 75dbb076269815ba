"""The errors of the local Athena.

    LocalAwsError
    └── QueryError            a statement that fails, in Athena's words
        └── ParseError        it does not follow the grammar; Athena refuses it before it becomes an execution

`kind` is the engine's error name (SYNTAX_ERROR, TYPE_MISMATCH, DIVISION_BY_ZERO, NOT_SUPPORTED, ...), which begins
the text of a failed execution. `category` and `type` are the numbers of Athena's error catalog: category 1 system,
2 user, 3 other; type for instance 1006 syntax error, 1106 invalid function argument, 1200 query not supported.
"""

from local_aws.errors import LocalAwsError

SYSTEM, USER, OTHER = 1, 2, 3

# Error name -> (category, type) of Athena's error catalog; what is not listed is a user error in general (1000).
CATALOG = {
    "SYNTAX_ERROR": (USER, 1006),
    "TYPE_MISMATCH": (USER, 1006),
    "COLUMN_NOT_FOUND": (USER, 1006),
    "AMBIGUOUS_NAME": (USER, 1006),
    "EXPRESSION_NOT_AGGREGATE": (USER, 1006),
    "TABLE_NOT_FOUND": (USER, 1110),
    "SCHEMA_NOT_FOUND": (USER, 1301),
    "CATALOG_NOT_FOUND": (USER, 1301),
    "FUNCTION_NOT_FOUND": (USER, 1303),
    "INVALID_FUNCTION_ARGUMENT": (USER, 1106),
    "INVALID_CAST_ARGUMENT": (USER, 1001),
    "DIVISION_BY_ZERO": (USER, 1001),
    "NUMERIC_VALUE_OUT_OF_RANGE": (USER, 1001),
    "SUBQUERY_MULTIPLE_ROWS": (USER, 1001),
    "INVALID_VIEW": (USER, 1107),
    "NOT_SUPPORTED": (USER, 1200),
    "EXCEEDED_MEMORY_LIMIT": (USER, 0),
    "GENERIC_INTERNAL_ERROR": (SYSTEM, 200),
}


class QueryError(LocalAwsError):
    """Fail a statement with the engine's error name and text; category and type follow from the name."""

    def __init__(self, kind: str, message: str, category: int | None = None, type: int | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        default_category, default_type = CATALOG.get(kind, (USER, 1000))
        self.kind = kind
        self.message = message
        self.category = default_category if category is None else category
        self.type = default_type if type is None else type


class ParseError(QueryError):
    """Refuse a statement that does not follow the grammar; `message` begins with its place, `line L:C: `."""

    def __init__(self, message: str) -> None:
        super().__init__("SYNTAX_ERROR", message)
