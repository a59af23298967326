# What each does and needs stands in README.md, "Development".
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)
FRONTEND := $(shell find labextension/src labextension/style labextension/schema -type f)

.PHONY: setup demo test lint bench clean

setup: .venv/.ready

.venv/.ready: pyproject.toml package.json package-lock.json install.json $(FRONTEND)
	@tests/setup/tools.sh

demo: setup
	@tests/setup/demo.sh

test: setup
	@tests/setup/run.sh test

bench: setup
	@tests/setup/run.sh bench

lint: setup
	@status=0; \
	for check in "ruff check ." "ruff format --check ." mypy lint-imports \
	  "bash -n tests/setup/*.sh .ci/run" "npm run --silent lint"; do \
	  echo "-- $$check"; $$check || status=1; \
	done; exit $$status

clean:
	tests/setup/clean.sh
