"""Write environment.yml from pyproject.toml: the same exact pins, without hashes, for conda users."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """\
# `conda env create -f environment.yml && conda activate analytics-workbench && pip install --no-deps -e .`
# The pins are those of pyproject.toml (tests/test_packaging.py compares); requirements.lock adds hashes.
name: analytics-workbench
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def render() -> str:
    """Return the text of environment.yml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return HEAD + "".join(f'      - "{pin}"\n' for pin in pins)


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(render())
