"""`workbench run`: the four notebooks as one recorded run."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.console import Output

HELP = "run the four notebooks as one recorded run; what is up to date is left as it is"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Declare what is run and how."""
    add_request_flags(parser)
    parser.add_argument("--full", action="store_true", help="run every notebook, whether it is up to date or not")
    parser.add_argument("--wait", action="store_true", help="wait for a run of the same dataset that is under way")
    parser.add_argument("--backfill", metavar="FROM..TO", help="a run for each logical date (as_of) of the range")
    parser.add_argument("--help-notebook", metavar="NN", help="show the parameters of a notebook, such as 02")


def add_request_flags(parser: argparse.ArgumentParser) -> None:
    """Declare dataset, profile and parameters, which `plan` takes too."""
    parser.add_argument("--dataset", help="a folder of datasets/ (default: student_performance)")
    parser.add_argument("--profile", default="local", help="local or aws (default: %(default)s)")
    parser.add_argument("-p", dest="pairs", action="append", default=[], metavar="name=value", help="a parameter")
    parser.add_argument("--parameters", type=Path, metavar="FILE", help="a YAML file of parameters")


def run(arguments: argparse.Namespace, output: Output) -> int:
    """Run the four notebooks and show what came of it."""
    from workbench.history import run_and_show
    from workbench.request import RunConfig, check_request, read_range

    if arguments.help_notebook is not None:
        return _show_parameters(arguments.help_notebook, output)
    config = RunConfig(
        dataset=arguments.dataset,
        profile=arguments.profile,
        pairs=arguments.pairs,
        full=arguments.full,
        wait=arguments.wait,
        file=arguments.parameters,
    )
    request = check_request(config)
    if arguments.backfill is None:
        run_and_show(request, output)
        return 0
    if "as_of" in request.origins or "run_id" in request.origins:
        from workbench.errors import UsageError

        raise UsageError("--backfill gives each run its own as_of and run_id: leave these parameters out")
    for as_of in read_range(arguments.backfill):
        run_and_show(request.at(as_of), output)
    return 0


def _show_parameters(name: str, output: Output) -> int:
    """Print the schema of a notebook's parameters."""
    from workbench.notebooks import find_notebook

    notebook = find_notebook(name)
    rows = [
        [p.name, p.kind, "(empty)" if p.default == "" else p.default, p.expected, p.comment]
        for p in notebook.schema.values()
    ]
    output.table(f"{notebook.name}: parameters", ["name", "type", "default", "expected", "meaning"], rows)
    output.line("give them, the later over the earlier, by WORKBENCH_PARAM_<NAME>, --parameters FILE, -p name=value")
    return 0
