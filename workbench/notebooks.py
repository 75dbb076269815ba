"""The four numbered notebooks as files: where they are and which parameters they take.

Read with json and ast alone: papermill takes seconds to import, and a wrong parameter must be refused before that.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import NotebookError, UsageError, suggest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
STEPS = ("01_ingest", "02_transform", "03_catalog_query", "04_load_postgres")


@dataclass(frozen=True)
class Notebook:
    """One notebook: its stem, its file and the defaults of its parameters cell."""

    name: str
    path: Path
    parameters: dict[str, Any]
    cells: int


def read_notebooks(folder: Path = FOLDER) -> list[Notebook]:
    """Return the four notebooks in order.

    Raises:
        NotebookError: a number is missing or renamed, or a file is no notebook with a parameters cell.
    """
    found = {path.stem for path in folder.glob("*.ipynb") if re.match(r"\d\d_", path.stem)}
    for name in STEPS:
        if name not in found:
            others = ", ".join(sorted(found - set(STEPS))) or "no other numbered notebook"
            raise NotebookError(f"notebook {folder / name}.ipynb is missing ({others} there): restore or rename it")
    return [read_notebook(folder / f"{name}.ipynb") for name in STEPS]


def read_notebook(path: Path) -> Notebook:
    """Read one notebook and the literals of its cell tagged `parameters`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cells = document["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"notebook {path} cannot be read ({error}): restore it from version control") from error
    if not document.get("metadata", {}).get("kernelspec", {}).get("name"):
        raise NotebookError(f"notebook {path} names no kernel: choose the Python 3 kernel in JupyterLab and save")
    code = [cell for cell in cells if cell.get("cell_type") == "code"]
    tagged = [cell for cell in code if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(f"notebook {path} has {len(tagged)} cells tagged `parameters`: it must have one")
    return Notebook(path.stem, path, _literals("".join(tagged[0]["source"]), path), len(code))


def _literals(source: str, path: Path) -> dict[str, Any]:
    """Return name -> value of the assignments in a parameters cell."""
    values: dict[str, Any] = {}
    try:
        for node in ast.parse(source).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                values[node.targets[0].id] = ast.literal_eval(node.value)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                values[node.target.id] = ast.literal_eval(node.value)
    except (SyntaxError, ValueError) as error:
        raise NotebookError(f"notebook {path}: the parameters cell must hold literals only ({error})") from error
    return values


def parse_parameters(pairs: list[str], notebooks: list[Notebook]) -> dict[str, Any]:
    """Turn `name=value` pairs into parameters of the types that the notebooks' defaults have.

    Raises:
        UsageError: a pair without `=`, an unknown name (with the nearest ones), or a value of the wrong type.
    """
    defaults = {name: value for notebook in notebooks for name, value in notebook.parameters.items()}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"-p {pair}: expected name=value")
        if name not in defaults:
            raise UsageError(f"-p {name}: no notebook has this parameter{suggest(name, defaults)}")
        values[name] = _convert(name, text, defaults[name])
    return values


def _convert(name: str, text: str, default: Any) -> Any:
    """Return `text` as the type of `default`."""
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise UsageError(f"-p {name}={text}: expected true or false")
        return text.lower() == "true"
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError:
            raise UsageError(f"-p {name}={text}: expected a number ({type(default).__name__})") from None
    return text
