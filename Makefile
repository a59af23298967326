# What each does and needs stands in README.md, "Development".
SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: setup demo test test-all test-soak lint lint-python lint-frontend bench clean

setup:
	@tests/setup/tools.sh all

demo: setup
	@tests/setup/demo.sh

test:
	@tests/setup/run.sh first

# SHARD=podman|docker|processes|browser: a part of it.
test-all:
	@tests/setup/run.sh rest

test-soak:
	@tests/setup/run.sh soak

bench:
	@tests/setup/run.sh bench

lint: setup
	@status=0; $(MAKE) --silent lint-python || status=1; \
	$(MAKE) --silent lint-frontend || status=1; exit $$status

lint-python:
	@status=0; \
	for check in "ruff check ." "ruff format --check ." mypy lint-imports "towncrier build --draft --version next"; do \
	  echo "-- $$check"; $$check || status=1; \
	done; \
	for script in tests/setup/*.sh .ci/run; do bash -n $$script || status=1; done; exit $$status

lint-frontend:
	@echo "-- npm run lint"; npm run --silent lint

clean:
	tests/setup/clean.sh
