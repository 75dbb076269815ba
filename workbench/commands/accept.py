"""`workbench accept`: the stored outputs of the notebooks against what they show now."""

from __future__ import annotations

import argparse

from workbench.console import Output, count

HELP = "execute the notebooks on the reference data and show what changed in their stored outputs"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare whether anything is written."""
    parser.add_argument("--write", action="store_true", help="write the new outputs into the notebooks")
    parser.add_argument("--vacuous", action="store_true", help="take notebooks whose stored outputs are missing, too")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Show each cell that changed; the code is 1 where something did and was not written."""
    from workbench.accept import accept_notebooks

    with output.step("executing the notebooks on a stack of their own"):
        changes = accept_notebooks(arguments.write, arguments.vacuous)
    for change in changes:
        output.line(f"{change.notebook}, code cell {change.cell}:")
        for line in change.lines:
            output.line(f"    {line}")
    if not changes:
        output.line("the notebooks show what is stored")
        return 0
    output.line(
        f"{count(len(changes), 'cell')} changed: "
        + ("written" if arguments.write else "nothing written (--write does)")
    )
    return 0 if arguments.write else 1
