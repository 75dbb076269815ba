"""The rules of the house: who imports whom, how long modules and functions are, what documents promise."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("helpers", "glue", "lambdas", "workbench", "local_aws", "infra", "dashboards")
MAY_IMPORT: dict[str, set[str]] = {
    "helpers": {"helpers"},
    "glue": set(),
    "lambdas": set(),
    "local_aws": {"local_aws"},
    "infra": {"infra"},
    "dashboards": {"dashboards", "helpers"},  # of the helpers the contract alone: tests/test_dashboards_assets.py
    "workbench": {"workbench", "helpers", "local_aws", "infra", "glue", "lambdas", "dashboards"},
}
STEPS = {"ingest", "transform", "catalog_query", "load_postgres"}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
FORBIDDEN_NAMES = ("utils", "util", "manager", "misc", "common")


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_packages_import_only_what_they_may(path: Path) -> None:
    """A package imports those of ours that the architecture lets it import, and no other."""
    package = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)
    assert ours <= MAY_IMPORT[package], f"{path} imports {ours - MAY_IMPORT[package]}"


@pytest.mark.parametrize("step", sorted(STEPS))
def test_steps_do_not_import_each_other(step: str) -> None:
    """A notebook's helper never imports another notebook's helper."""
    for path in (ROOT / "helpers").glob(f"{step}*.py"):
        others = {f"helpers.{name}" for name in STEPS - {step}}
        found = {
            name for name in imports(path) if any(name == other or name.startswith(f"{other}.") for other in others)
        }
        assert not found


def test_only_session_knows_the_profile() -> None:
    """No helper but session.py compares the profile, and no notebook does."""
    for path in (ROOT / "helpers").glob("*.py"):
        if path.name != "session.py":
            assert not re.search(r"profile\s*(==|!=|in)\s", path.read_text()), path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_short_and_well_named(path: Path) -> None:
    """A module has at most 300 lines and a name that says what it holds."""
    assert len(path.read_text().splitlines()) <= 300
    assert path.stem not in FORBIDDEN_NAMES


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_short_and_take_few_parameters(path: Path) -> None:
    """A function has at most 40 lines and five parameters besides self."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            where = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
            assert (node.end_lineno or 0) - node.lineno < 40, where
            arguments = [a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
            assert len([name for name in arguments if name not in ("self", "cls")]) <= 5, where


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_have_docstrings(path: Path) -> None:
    """Every module, and every public function and class at its top level, has a docstring."""
    tree = ast.parse(path.read_text())
    assert not tree.body or ast.get_docstring(tree), path
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def test_readme_names_commands_that_exist() -> None:
    """Each `workbench X` and `make X` of the documents is a command of the parser or a target of the Makefile."""
    from workbench.commands import NAMES

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = document.read_text()
        for name in re.findall(r"`(?:\.venv/bin/)?workbench ([a-z]+)", text):
            assert name in NAMES, f"{document.name}: workbench {name}"
        for name in re.findall(r"`make ([a-z-]+)", text):
            assert name in targets, f"{document.name}: make {name}"


def test_nothing_committed_holds_a_machines_path() -> None:
    """No text of the repository names a folder of a developer's machine or a registry."""
    pattern = re.compile("|".join(["/ro" + "ot/", "/ho" + r"me/\w+/", "python" + "hosted", "pypi" + r"\.org"]))
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    texts = [path for name in listed.split("\0") if name and (path := ROOT / name).suffix not in (".png", ".gz")]
    assert len(texts) > 300
    for path in texts:
        assert not path.exists() or not pattern.search(path.read_text()), path
