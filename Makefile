# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
ONLY   ?=

.PHONY: run test test-slow test-dashboards lab dashboards bench lint lock clean setup

run: $(VENV)/.ready
	@$(BIN)/workbench run

test: $(VENV)/.ready
	@$(BIN)/python -m pytest -m "not slow"
	@$(BIN)/python -m pytest -q --nbval --nbval-current-env --nbval-sanitize-with notebooks/sanitize.cfg --nbval-cell-timeout 300 notebooks

test-slow: $(VENV)/.ready
	@$(BIN)/python -m pytest

# Superset in a real browser; needs chromium.
test-dashboards: $(VENV)/.ready
	@$(BIN)/python -m pytest tests/test_dashboards_live.py

lab: $(VENV)/.ready
	@$(BIN)/workbench lab

dashboards: $(VENV)/.ready
	@$(BIN)/workbench dashboards

bench: $(VENV)/.ready
	@$(BIN)/python -m benchmarks $(ONLY)

lint: $(VENV)/.ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/cfn-lint infra/template.yaml

setup: $(VENV)/.ready

# The stamp is newer than what it was made from, or set-up runs again.
$(VENV)/.ready: requirements.lock pyproject.toml tools/setup.sh
	@PYTHON="$(PYTHON)" sh tools/setup.sh $(VENV)

lock: $(VENV)/.ready
	@sh tools/lock.sh

clean:
	@[ ! -x $(BIN)/workbench ] || $(BIN)/workbench down
	rm -rf $(VENV) .venv-superset build *.egg-info .mypy_cache .ruff_cache .pytest_cache
