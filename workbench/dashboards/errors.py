"""The errors of the dashboards, under those of the command.

CommandError (workbench/errors.py)
└── DashboardsError      Superset cannot be installed, set up, started or reached     exit code 4
    └── AssetsError      an asset with a mistake; file and key are named              exit code 2
"""

from workbench.errors import CommandError


class DashboardsError(CommandError):
    """Superset cannot be installed, set up, started or reached."""

    exit_code = 4


class AssetsError(DashboardsError):
    """An asset has a mistake; nothing was imported."""

    exit_code = 2
