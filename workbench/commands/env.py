"""`workbench env`: what aws, psql and other clients need."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil

from workbench.console import Output

HELP = "print what aws, psql and other clients need"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare no flags."""


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Print shell exports of the notebooks' key and of the reader of PostgreSQL; what would win over them is unset."""
    from workbench.stack import default_home, environment

    variables = environment(default_home())
    if planted := sorted(name for name in os.environ if name.startswith(("AWS_", "PG")) and name not in variables):
        output.line(f"unset {' '.join(planted)}")
    for name, value in (variables | _psql_path()).items():
        output.line(f"export {name}={shlex.quote(value)}")
    return 0


def _psql_path() -> dict[str, str]:
    """Return a PATH that has the psql of PostgreSQL's package where the shell has none of its own."""
    from local_aws.postgres_place import find_package

    package = find_package()
    if shutil.which("psql") or package is None:
        return {}
    return {"PATH": f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{package / 'pginstall' / 'bin'}"}
