# `make demo` and `make test` need python3 (>= 3.11), make and a package index; the rest is set up.
#   VENV=dir        where the virtual environment lives (default .venv)
#   PYTHON=python   the interpreter to make it with (default: the newest python3.1x found)
#   PYTEST_ARGS=... passed on to pytest

VENV ?= .venv
PYTHON ?=
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt
SOURCES := src tests $(wildcard benchmarks examples)

.NOTPARALLEL:
.PHONY: help demo test lint types layers unit format setup clean

help:
	@echo "make demo    install the light core (no torch) and run the demonstration"
	@echo "make test    install everything and run every check"
	@echo "make lint | types | layers | unit    one of the checks"
	@echo "make format  let ruff rewrite the sources"
	@echo "make clean   remove $(VENV) and the tools' caches"

demo: $(VENV)/.core
	$(BIN)/ranvier demo

test: lint types layers unit

lint: $(VENV)/.dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/.dev
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

# Two workers: the kernels' compile cache is shared between them. Nothing collected is a failure.
unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

setup: $(VENV)/.dev

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: .made, the bare environment; .core, the light core; .dev, everything.
# The package itself is installed in place, built by the pinned hatchling without isolation, so
# that constraints.txt holds for the build as well.

$(VENV)/.made:
	@set -e; found=''; \
	for python in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3); do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	        >/dev/null 2>&1; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "No usable Python: Ranvier needs Python 3.11 or newer with venv and pip." >&2; \
	    echo "Install python3 and python3-venv, or name one: make PYTHON=/path/to/python3.12" >&2; \
	    exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv "$(VENV)"; \
	touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml constraints.txt
	@echo "Installing the light core into $(VENV) (a few minutes on a first run)"
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	@echo "Installing the development tools and torch into $(VENV)"
	@$(INSTALL) --no-build-isolation --editable '.[dev,train]'
	@touch $@
