"""Trino's functions: the tables of those that are translated, and the names of those that are refused.

A name in no table and not among the special forms is no function of Trino's (FUNCTION_NOT_FOUND).
"""

from local_aws.athena.dialect.functions import aggregates, collections, moments, numbers, text, values
from local_aws.athena.dialect.signatures import Overload, overloads

_ROOMS = (numbers, text, moments, collections, aggregates, values)
OVERLOADS: dict[str, tuple[Overload, ...]] = {}
for _room in _ROOMS:
    for _name, _found in overloads(_room.SIGNATURES).items():
        OVERLOADS[_name] = OVERLOADS.get(_name, ()) + _found
KNOWN = frozenset(word for room in _ROOMS for word in room.KNOWN.split())
