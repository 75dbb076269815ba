"""Special forms: functions whose meaning or type needs more than a signature and a template."""

from collections.abc import Callable

from local_aws.athena.dialect import nodes as n
from local_aws.athena.dialect.env import Env, Typed
from local_aws.athena.dialect.special import (
    aggregates,
    choices,
    collections,
    formats,
    moment_texts,
    moments,
    patterns,
    rounding,
)

SPECIAL: dict[str, Callable[[Env, n.Call], Typed]] = {
    **choices.FORMS,
    **rounding.FORMS,
    **moments.FORMS,
    **moment_texts.FORMS,
    **collections.FORMS,
    **aggregates.FORMS,
    **formats.FORMS,
    **patterns.FORMS,
}
