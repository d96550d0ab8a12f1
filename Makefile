# PNE Tutor. `make` alone lists what there is. Everything runs in .venv, made from uv.lock (hashes checked).
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON_VERSION ?= $(shell cat .python-version)
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
VENV ?= .venv
PY := $(VENV)/bin/python
export UV_PROJECT_ENVIRONMENT := $(VENV)
# The fast suites share nothing and run on all cores; the others start the whole product, once.
FAST_TESTS := tests/safety tests/content tests/unit
SLOW_TESTS := tests/nlu tests/integration tests/browser
# Whole installations that are killed, filled up and overrun; their bars are times, so they want a machine for themselves.
DRILLS := tests/integration/scale tests/integration/faults/test_processes.py tests/integration/faults/test_databases.py \
  tests/integration/faults/test_disk.py tests/integration/faults/test_load.py
FAST := $(PY) -m pytest $(FAST_TESTS) -n auto
STAMP := $(VENV)/.installed-$(PYTHON_VERSION)

.PHONY: help run test install train check lint format unit browser-ready test-310 bench drills sbom audit check-fresh clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: install ## Everything for a first chat: environment, model, database, all processes; prints the addresses
	@$(VENV)/bin/pne up

test: install browser-ready ## The whole test suite, with real Rasa, PostgreSQL, SMTP and a real browser
	@$(PY) -m bot.cli check
	@$(VENV)/bin/ruff check bot actions tests benchmarks
	@$(VENV)/bin/mypy
	@$(PY) -m tests.support.typescript
	@$(PY) -m bot.cli train
	@$(PY) -m bot.cli safety-card --check
	@$(FAST) $(PYTEST_ARGS)
	@$(PY) -m pytest $(SLOW_TESTS) $(addprefix --ignore=,$(DRILLS)) $(PYTEST_ARGS)

drills: install ## Several servers, and everything that can break, killed in turn (about ten minutes, on a quiet machine)
	@$(PY) -m bot.cli train
	@$(PY) -m pytest $(DRILLS) $(PYTEST_ARGS)

unit: install ## The fast suites only (safety, content, unit): seconds, no Rasa
	@$(FAST) $(PYTEST_ARGS)

install: $(STAMP) ## The environment from uv.lock, in .venv

$(STAMP): pyproject.toml uv.lock .python-version | $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv)
	@echo "Environment: installing what uv.lock names (a minute or two the first time)"
	@# Compiled once here, imports take a quarter of the time in every process, also where none may write bytecode.
	@# pyenv shows uv only the version that is named: .python-version, or this variable for another one.
	@PYENV_VERSION=$(PYTHON_VERSION) $(UV) sync --frozen --quiet --compile-bytecode --python $(PYTHON_VERSION) || { \
	  echo "The environment could not be made. It needs Python $(PYTHON_VERSION) (3.10 and 3.11 also work: make PYTHON_VERSION=3.11 run),"; \
	  echo "Linux on x86-64, and a package index. Debian or Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@ORT_DISABLE_TELEMETRY=1 $(PY) -c "import onnxruntime, psycopg2, spacy" || { \
	  echo "A C library is missing (named above). Debian or Ubuntu: apt-get install libgomp1 libstdc++6"; exit 1; }
	@touch $@

.tools/bin/uv:
	@command -v python3 >/dev/null || { echo "Python 3 is missing. Debian or Ubuntu: apt-get install python3 python3-venv"; exit 1; }
	@echo "Environment: getting uv into .tools"
	@python3 -m venv .tools || { echo "python3-venv is missing. Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@.tools/bin/pip install --quiet 'uv>=0.9,<1'

browser-ready: install
	@$(PY) -m tests.support.browser

train: install ## Train the model if something has changed
	@$(VENV)/bin/pne train

check: install ## Check all content under data/
	@$(VENV)/bin/pne check

lint: install ## Style and types
	@$(VENV)/bin/ruff check bot actions tests benchmarks
	@$(VENV)/bin/mypy
	@$(PY) -m tests.support.typescript

format: install ## Mend what ruff can mend
	@$(VENV)/bin/ruff check --fix bot actions tests benchmarks

test-310: ## The fast suites and one train-and-talk test on Python 3.10
	@$(MAKE) --no-print-directory VENV=.venv-310 PYTHON_VERSION=3.10 install
	@.venv-310/bin/python -m pytest $(FAST_TESTS) -n auto
	@.venv-310/bin/python -m pytest tests/integration/test_talk.py

bench: install ## Measure everything beside stock Rasa (BENCH_ARGS="--only sse"; stock's own environment takes 2.5 GB)
	@$(VENV)/bin/pne bench $(BENCH_ARGS)

sbom: install ## Write var/sbom.cdx.json: every package with version, hash and licence (CycloneDX)
	@$(PY) deploy/sbom.py var/sbom.cdx.json

audit: | $(if $(filter .tools/bin/uv,$(UV)),.tools/bin/uv) ## Ask OSV about known vulnerabilities of every locked package; fails where it cannot be asked
	@$(UV) audit --preview-features audit-command --frozen $(AUDIT_ARGS)

check-fresh: ## Clone what is committed, build with empty caches, train, test, start, ask (about ten minutes)
	@python3 -m tests.support.fresh

clean: ## Remove environments, models and what runs have made (var/ holds the development database)
	@rm -rf .venv .venv-310 .tools models .rasa var benchmarks/stock/.venv
