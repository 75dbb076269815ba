"""`workbench lab`: the notebooks in JupyterLab."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from workbench.console import Output

HELP = "open the notebooks in JupyterLab"
# On loopback, and it asks nobody on the internet for its news or a later version, nor a person whether it may.
SETTINGS = (
    "--ServerApp.ip=127.0.0.1",
    f"--LabApp.app_settings_dir={Path(__file__).resolve().parent.parent / 'lab_settings'}",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare what is passed on."""
    parser.add_argument("arguments", nargs="*", help="passed on to `jupyter lab` (after --)")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Start the stack and become JupyterLab, on loopback with a token."""
    from workbench.notebooks import FOLDER
    from workbench.stack import bring_up, default_home

    bring_up(default_home(), output.line)
    os.chdir(FOLDER)
    os.execv(sys.executable, [sys.executable, "-m", "jupyter", "lab", *SETTINGS, *arguments.arguments])
