#!/bin/sh
# Renew requirements.lock from pyproject.toml: hashes for every platform, no index addresses.
set -eu
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    python3 -m venv "$place"
    "$place/bin/pip" install -q --disable-pip-version-check uv
    uv=$place/bin/uv
fi
{
    echo "# Made by \`make lock\` from pyproject.toml for Python 3.11 on Linux x86-64 and arm64, macOS x86-64 and arm64."
    "$uv" pip compile -q pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate
} > requirements.lock.new
mv requirements.lock.new requirements.lock
"${PYTHON:-python3}" tools/conda_environment.py
# Superset's own virtualenv, and the browser of its tests.
for name in requirements requirements-test; do
    (cd dashboards && "$uv" pip compile -q "$name.in" --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o "$name.lock")
done
