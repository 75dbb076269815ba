#!/bin/sh
# Build the virtualenv named by $1 from requirements.lock: with uv where it is present, with pip otherwise.
set -eu
venv=$1
python=${PYTHON:-python3.11}
command -v "$python" >/dev/null 2>&1 || python=python3
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || {
    echo "workbench: needs Python 3.11, found $("$python" --version 2>&1 || echo none); set PYTHON=/path/to/python3.11" >&2
    exit 4
}
echo "workbench: installing into $venv (a few minutes the first time)"
rm -f "$venv/.ready"
if command -v uv >/dev/null 2>&1; then
    uv venv -q --allow-existing --python "$python" "$venv"
    uv pip install -q --python "$venv/bin/python" --require-hashes -r requirements.lock
    uv pip install -q --python "$venv/bin/python" --no-deps -e .
else
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps -e .
fi
# also where PYTHONDONTWRITEBYTECODE is set, and each process would compile our modules for itself
"$venv/bin/python" -m compileall -q helpers glue lambdas workbench local_aws infra dashboards benchmarks
date -u +%Y-%m-%dT%H:%M:%SZ > "$venv/.ready"
echo "workbench: ready"
