"""The errors of the generator.

DashboardError            the root; never raised itself
└── DescriptionError      exit code 2: a dashboard.yaml or an asset with a mistake; file and key are named
"""

from typing import ClassVar


class DashboardError(Exception):
    """Anything that keeps a dashboard from being generated."""

    exit_code: ClassVar[int] = 2


class DescriptionError(DashboardError):
    """A description of a dashboard, or an asset, has a mistake; the message names file and key."""
