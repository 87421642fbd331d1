# Latchkey. Needs Python 3.11 or newer, git and make; everything else is brought in.
.DEFAULT_GOAL := help
.PHONY: help install run test test-fast test-alike browser tests-sqlite tests-postgresql lint types format migration lock bench screenshots clean tools

PORT ?= 5000
VENV := .venv
PYTHON := $(VENV)/bin/python
# Without compiled files each worker would compile the tests and rewrite their assertions anew, 7 of 13 seconds.
unexport PYTHONDONTWRITEBYTECODE
# One worker a core: each loads, collects and compiles all that it needs by itself before it is quick.
TEST_WORKERS ?= auto
# Many processes share few cores: none interrupts another one just because it was woken, where Linux takes the word.
BATCH = $(shell chrt -b 0 true 2>/dev/null && echo chrt -b 0)
# Files in memory, where there is room: tests make a database each, and wait for disks for nothing.
SCRATCH = $(shell tools/scratch 2>/dev/null)
# What tests start is no part of this make: its jobs are not theirs.
PYTEST = env -u MAKEFLAGS -u MFLAGS $(SCRATCH:%=TMPDIR=%) $(BATCH) $(PYTHON) -m pytest -q -n $(TEST_WORKERS) --dist worksteal
# What runs beside others is shown when it is done, as a whole, where make knows how.
BESIDE := -j 5 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: $(VENV)/.runtime  ## Serve the portal on 127.0.0.1:5000; PORT=5001 moves it
	@LATCHKEY_MODE=$${LATCHKEY_MODE:-development} exec $(VENV)/bin/latchkey serve --port $(PORT)

install: $(VENV)/.runtime  ## Set up what serving needs, and nothing else

test: $(VENV)/.dev  ## Everything: lint, types, tests on both databases, browser
	@echo "Lint, types, tests on SQLite, on PostgreSQL and through Chromium, beside each other; each is shown when it is done"
	@$(MAKE) --no-print-directory --keep-going $(BESIDE) TEST_WORKERS=2 lint types tests-sqlite tests-postgresql browser

test-fast: $(VENV)/.dev  ## Unit and HTTP tests on SQLite, of those with many cases the first
	@TEST_CASES=first $(PYTEST) -m "not browser and not slow"

test-alike: $(VENV)/.dev  ## Whether cases that run on one database alone ask it what those do that run on both
	@TEST_ALIKE=1 $(PYTEST) -m "either_database and not browser"

tests-sqlite: tools
	@echo "Tests on SQLite, with coverage"
	@$(PYTEST) -m "not browser" --cov --cov-report=term

tests-postgresql: tools
	@echo "Tests on PostgreSQL"
	@LATCHKEY_TEST_DATABASE=postgresql $(PYTEST) -m "not browser"

browser: tools  ## Browser tests through Chromium
	@echo "Tests through Chromium"
	@$(PYTEST) -m browser tests/browser

lint: $(VENV)/.dev  ## Ruff, rules and format
	@$(VENV)/bin/ruff check && $(VENV)/bin/ruff format --check

format: $(VENV)/.dev  ## Let Ruff repair and format
	@$(VENV)/bin/ruff check --fix --quiet; $(VENV)/bin/ruff format --quiet

types: $(VENV)/.dev  ## Mypy
	@$(VENV)/bin/mypy

migration: $(VENV)/.dev  ## Propose a migration: make migration m="what changes"
	@$(PYTHON) -m tools.migration "$(m)"

bench: $(VENV)/.dev  ## Measure what it costs; writes the tables of benchmarks/README.md
	@$(PYTHON) -m benchmarks

screenshots: tools  ## Make the pictures of README from the running product
	@$(PYTHON) -m tools.screenshots

lock: $(VENV)/.dev  ## Choose the versions anew: requirements.lock and those with more
	@tools/lock

clean:  ## Remove what tools left; keeps instance/
	@rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage* htmlcov test-results

tools: $(VENV)/.dev
	@$(PYTHON) -m tests.programs

$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/bin/pip
	@tools/install requirements.lock $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/pip
	@tools/install requirements-dev.lock $@ && touch $(VENV)/.runtime

$(VENV)/bin/pip:
	@tools/venv $(VENV)
