"""The job in an environment that holds only what Glue 5.1 gives: Python, PySpark, awsglue and boto3."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from job_lab import job_lab

ROOT = Path(__file__).resolve().parent.parent
# With what they depend on themselves; each is installed from the lock, by its hashes.
PACKAGES = {"pyspark", "py4j", "awsgluedataplanepython", "boto3"}
BENEATH = {"botocore", "jmespath", "s3transfer", "python-dateutil", "six", "urllib3"}
INSTALLERS = {"pip", "setuptools"}


def locked(names: set[str]) -> str:
    """Return the lock's lines for these packages: each a requirement with its hashes."""
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            current = entries.setdefault(line.partition("==")[0], [])
        if not line.startswith("#"):
            current.append(line)
    assert names <= entries.keys()
    return "\n".join(line for name in sorted(names) for line in entries[name]) + "\n"


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """The interpreter of a virtualenv that holds these packages and nothing else."""
    folder, requirements = tmp_path / "venv", tmp_path / "requirements.txt"
    requirements.write_text(locked(PACKAGES | BENEATH))
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if shutil.which("uv"):
        install = ["uv", "pip", "install", "-q", "--python", str(folder / "bin/python")]
    subprocess.run([*install, "--no-deps", "--require-hashes", "-r", str(requirements)], check=True)
    return folder / "bin/python"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_job_needs_only_what_glue_has(tmp_path: Path, bare_python: Path) -> None:
    """glue/job.py runs a small case to its end, and its report counts every row that it could read."""
    listing = "import importlib.metadata as m; print(*{d.name.lower().replace('_', '-') for d in m.distributions()})"
    answer = subprocess.run([bare_python, "-I", "-c", listing], capture_output=True, text=True, check=True)
    assert set(answer.stdout.split()) - INSTALLERS == PACKAGES | BENEATH
    raw = tmp_path / "raw"
    source = ROOT / "datasets/student_performance/source.py"
    subprocess.run([sys.executable, str(source), "--out", str(raw), "--rows", "500", "--seed", "3"], check=True)
    with job_lab(tmp_path / "lab") as lab:
        lab.put_contract("student_sample")
        lab.upload_folder("student_sample", raw)
        environment = lab.environment({"PYSPARK_PYTHON": str(bare_python)})
        environment.pop("PYTHONPATH")  # the job's own folder is on the path as the script's
        command = [str(bare_python), str(ROOT / "glue/job.py"), *lab.arguments("student_sample", "portable")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        rows = lab.report("student_sample", "portable")["rows"]
    assert rows["readable"] >= 490
    assert rows["readable"] == sum(count for name, count in rows.items() if name != "readable")
