# The same targets for people and for CI; every path is relative to this folder.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint test-system lock airflow clean prerequisites

BIN := .venv/bin
READY := .venv/.ready
# Two workers, each with its own Spark and Postgres; a file's tests stay together and come in the order of tests/conftest.py.
SHARED := --numprocesses 2 --dist loadfile --no-loadscope-reorder
PYTEST_ARGS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## create .venv with everything (.venv/bin/dietz is the command line)

demo: setup ## sample vendor files, several nights, a summary, the report and the marts' address
	@$(BIN)/dietz demo

test: lint ## the whole test suite with coverage, lint and types
	@$(BIN)/python -m pytest -m "not system" $(SHARED) --cov=jobs --cov-report=term $(PYTEST_ARGS)

lint: setup ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "dietz: not formatted; run .venv/bin/ruff format ." >&2; exit 1; }
	@$(BIN)/mypy

test-system: setup ## stories of several nights, faults in every format, Debian's PostgreSQL (installed where root may), Airflow's own scheduler
	@sh scripts/install_postgresql.sh
	@$(BIN)/python -m pytest tests/system tests/faults tests/stories tests/integration -m system $(SHARED) $(PYTEST_ARGS)

airflow: setup ## Airflow's own user interface on the sample workspace
	@sh scripts/airflow.sh ui

lock: setup ## resolve requirements/*.in anew into requirements/lock.txt
	@uv=$$(command -v uv || echo .venv-uv/bin/uv); "$$uv" pip compile --quiet --universal --generate-hashes \
	  --python-version 3.11 --override requirements/overrides.txt --custom-compile-command "make lock" \
	  --output-file requirements/lock.txt requirements/runtime.in requirements/airflow.in requirements/dev.in

clean: ## remove what make made: environments, caches, the workspace ./var
	@if [ -x $(BIN)/dietz ]; then $(BIN)/dietz db stop >/dev/null 2>&1 || true; fi
	rm -rf .venv .venv-uv var .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov spark-warehouse *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

prerequisites:
	@sh scripts/prerequisites.sh >/dev/null

# A second run does nothing and downloads nothing: the stamp is newer than all that decides what is in .venv.
$(READY): requirements/lock.txt pyproject.toml scripts/setup.sh scripts/fetch_jars.py scripts/archive_classes.py | prerequisites
	@sh scripts/setup.sh "$$(sh scripts/prerequisites.sh)"
	@touch $@
