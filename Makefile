# Everything here needs nothing before it: the first target that is asked for sets up .venv.
# VENV=... uses another environment; PYTHON=... another interpreter; JOBS=... another number of test processes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
JOBS ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$(( n > 4 ? 4 : n )))

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# One thread for each test process: two processes on two cores are faster than two times two threads.
TESTING := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help setup demo test check lint bench manual docs clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

setup: $(STAMP) ## make .venv with everything in it

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, got " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	if $(BIN)/python -m pip install -q uv; then \
	  UV_FIND_LINKS="$${PIP_FIND_LINKS:-}" VIRTUAL_ENV="$(abspath $(VENV))" \
	    $(BIN)/uv pip install -q -c constraints.txt -e '.[all]' --group dev; \
	else \
	  $(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"], sep="\n")' > $(VENV)/dev.txt; \
	  $(BIN)/python -m pip install -q -c constraints.txt -e '.[all]' -r $(VENV)/dev.txt; \
	fi
	touch $@

demo: $(STAMP) ## plant poison in scikit-learn's digits and a table, find it, remove it, show the effect
	$(BIN)/python examples/demo.py --out demo-out

test: $(STAMP) ## all tests
	$(TESTING) $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

lint: $(STAMP) ## style, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

check: lint test ## what must hold before a commit: lint and test

bench: $(STAMP) ## the bars of benchmarks/ on the sets in MITHRIDATE_DATA (hours)
	@test -n "$${MITHRIDATE_DATA:-}" || { echo "bench: set MITHRIDATE_DATA to the folder with the data sets (see benchmarks/)"; exit 2; }
	mkdir -p .benchmarks
	for bar in 2 3 4 5 6 7 8; do $(BIN)/python -m benchmarks.bars --bar $$bar --out .benchmarks/bar$$bar.jsonl; done

manual: $(STAMP) ## write docs/manual.md from the cards
	$(BIN)/python docs/write_manual.py

docs: manual ## the manual, and the picture of a report (needs Chromium)
	$(BIN)/python docs/draw_picture.py

clean: ## remove what the other targets wrote
	rm -rf $(VENV) demo-out mithridate-report .benchmarks .mypy_cache .ruff_cache .pytest_cache build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
