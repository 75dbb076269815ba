"""Faults planted in a notebook's kernel by IPython's seam for users: a file that each kernel executes when it starts.

IPYTHONDIR names the folder, FAULT the step and the kind (`02_transform cell`). The fault happens in the step's fifth
code cell, in front of the cell's own code.
"""

from pathlib import Path

STARTUP = """
import ast as _ast, os as _os, pathlib as _pathlib, re as _re

class _Planted(_ast.NodeTransformer):
    def visit_Module(self, tree):
        if get_ipython().execution_count == 5:
            tree.body.insert(0, _ast.parse("_plant()").body[0])
            _ast.fix_missing_locations(tree)
        return tree

def _plant():
    result = _pathlib.Path(_os.environ["WORKBENCH_STEP_RESULT"])
    step, kind = _os.environ["FAULT"].split()
    if kind == "secret":
        secret = _os.environ["SOME_PASSWORD"]
        print(dict(_os.environ))
        _os.write(2, secret.encode())
        raise RuntimeError(f"cannot connect as me with {secret}")
    if kind == "cell":
        raise ValueError("planted")
    if kind == "kernel":
        _os.kill(_os.getpid(), 9)
    if kind == "limit":
        import time
        time.sleep(600)
    if kind == "disk":
        record = _pathlib.Path(result.parent, "manifest.json").read_text()
        runner = _re.search(r'"pid": (\\d+)', record)[1]
        _os.symlink("/dev/full", result.parent / f".{step}.ipynb.{runner}.tmp")

if _os.environ["FAULT"].split()[0] in _os.environ.get("WORKBENCH_STEP_RESULT", ""):
    get_ipython().ast_transformers.append(_Planted())
"""


def plant_faults(folder: Path) -> Path:
    """Write the file below `folder`; return what IPYTHONDIR must name."""
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00-fault.py").write_text(STARTUP)
    return folder / "ipython"
