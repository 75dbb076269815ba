"""The four numbered notebooks as files: where they are and which parameters they take.

Read with json and ast alone: papermill takes seconds to import, and a wrong parameter must be refused before that.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import NotebookError, UsageError, suggest
from workbench.parameters import Parameter, read_schema

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
STEPS = ("01_ingest", "02_transform", "03_catalog_query", "04_load_postgres")


@dataclass(frozen=True)
class Notebook:
    """One notebook: its stem, its file, the schema of its parameters, the sources of its code cells, and its kernel."""

    name: str
    path: Path
    schema: dict[str, Parameter]
    code: tuple[str, ...]
    kernel: str

    @property
    def parameters(self) -> dict[str, Any]:
        """The defaults of the parameters cell."""
        return {name: parameter.default for name, parameter in self.schema.items()}


def read_notebooks(folder: Path = FOLDER) -> list[Notebook]:
    """Return the four notebooks in order.

    Raises:
        NotebookError: a number is missing or renamed, or a file is no notebook with a parameters cell.
    """
    found = {path.stem for path in folder.glob("*.ipynb") if re.match(r"\d+_", path.stem)}
    for name in STEPS:
        if name not in found:
            others = ", ".join(sorted(found - set(STEPS))) or "no other numbered notebook"
            raise NotebookError(f"notebook {folder / name}.ipynb is missing ({others} there): restore or rename it")
    return [read_notebook(folder / f"{name}.ipynb") for name in STEPS]


def find_notebook(name: str, folder: Path = FOLDER) -> Notebook:
    """Return the notebook that a number (02, 2) or a stem names.

    Raises:
        UsageError: no notebook has this name; the nearest ones are given.
    """
    wanted = name.removesuffix(".ipynb").rpartition("/")[2]
    for step in STEPS:
        if wanted == step or (wanted.isdigit() and int(wanted) == int(step[:2])) or wanted == step[3:]:
            return read_notebook(folder / f"{step}.ipynb")
    raise UsageError(f"notebook {name} is unknown{suggest(name, STEPS)}")


def read_notebook(path: Path) -> Notebook:
    """Read one notebook and the schema in its cell tagged `parameters`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cells = document["cells"]
        kernel = document.get("metadata", {}).get("kernelspec", {}).get("name")
        code = [cell for cell in cells if cell.get("cell_type") == "code"]
        tagged = [cell for cell in code if "parameters" in cell.get("metadata", {}).get("tags", [])]
        sources = tuple("".join(cell["source"]) for cell in code)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotebookError(f"notebook {path} cannot be read ({error}): restore it from version control") from error
    if not kernel:
        raise NotebookError(f"notebook {path} names no kernel: choose the Python 3 kernel in JupyterLab and save")
    if not _has_kernel(str(kernel)):
        raise NotebookError(f"notebook {path} wants the kernel {kernel}, which is not installed: choose Python 3")
    if len(tagged) != 1:
        raise NotebookError(f"notebook {path} has {len(tagged)} cells tagged `parameters`: it must have one")
    schema = read_schema("".join(tagged[0]["source"]), str(path))
    return Notebook(path.stem, path, schema, sources, str(kernel))


def _has_kernel(name: str) -> bool:
    """Say whether a kernel is installed; python3 always is, and Jupyter, which takes time to import, is not asked."""
    if name == "python3":
        return True
    from jupyter_client.kernelspec import KernelSpecManager

    return name in KernelSpecManager().find_kernel_specs()
