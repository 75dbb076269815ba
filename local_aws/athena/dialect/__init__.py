"""Trino's SELECT on DuckDB: a translation that means the same, or a refusal.

`translate` turns a query into DuckDB's SQL, `prepare` makes a connection ready for it, `classify` names what goes
wrong while it runs.
"""

from local_aws.athena.dialect.classify import classify
from local_aws.athena.dialect.env import CatalogLookup
from local_aws.athena.dialect.runtime import prepare
from local_aws.athena.dialect.translation import Translation, translate
from local_aws.athena.dialect.types import TrinoType

__all__ = ["CatalogLookup", "Translation", "TrinoType", "classify", "prepare", "translate"]
