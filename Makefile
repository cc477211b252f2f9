# Two commands for everybody: `make demo` and `make test`. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PYTEST_FLAGS := --numprocesses=auto
SOURCES := $(shell find proxy analytics dashboards -name '*.py' 2>/dev/null)
# What has a proxy answer calls; not what only fills a store with one, or says itself which way its calls go.
FRONT_DOOR = $(filter-out $(patsubst %,tests/edges/test_%.py,%_command doctor fast_path parent rekey),\
	$(shell grep -lE 'running_chatreel|"run"' tests/edges/test_*.py))
LONG := tests
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test long engine serve check lint types audit bench fuzz soak lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/linked ## set up, then record and replay a dozen calls: no key, no network
	@$(BIN)/chatreel demo

test: $(VENV)/linked ## set up, then the test suite
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m "not long"

long: $(VENV)/linked ## the tests that take their time: kills, load, a browser; on a machine with nothing else to do
	$(BIN)/python -m pytest $(PYTEST_FLAGS) -m "long and not alone" $(LONG)
	$(BIN)/python -m pytest -m "long and alone" $(LONG) || [ $$? = 5 ] # 5: there are none among them

engine: $(VENV)/linked ## the suites of the front door without the fast path
	TEST_WITHOUT_FAST_PATH=1 $(BIN)/python -m pytest $(PYTEST_FLAGS) -m "not long" $(FRONT_DOOR)

serve: $(VENV)/linked ## set up, then the proxy on 127.0.0.1:8080 (ARGS="--mode replay ...")
	@$(BIN)/chatreel serve $(ARGS)

check: lint types ## linters, import contracts, types

lint: $(VENV)/linked
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: $(VENV)/linked
	$(BIN)/mypy -p chatreel
	$(BIN)/mypy tests benchmarks

audit: ## known flaws of the locked dependencies; needs the advisories of PyPI
	@python=$$(.ci/find-python) && "$$python" .ci/audit

bench: $(VENV)/linked ## what a hit, a recording, a start, the key and the wire cost, and what they cost with others (QUICK=--quick)
	$(BIN)/python benchmarks/bench_hits.py $(QUICK) --json bench_hits.json --svg bench_hits.svg
	$(BIN)/python benchmarks/bench_workers.py $(QUICK) --json bench_workers.json
	$(BIN)/python benchmarks/bench_recording.py $(QUICK) --json bench_recording.json --svg bench_recording.svg
	$(BIN)/python benchmarks/bench_field.py $(QUICK) --json bench_field.json --svg bench_field.svg
	$(BIN)/python benchmarks/bench_start.py $(QUICK) --json bench_start.json
	$(BIN)/python benchmarks/bench_canonical.py
	$(BIN)/python benchmarks/bench_wire.py
	$(BIN)/python benchmarks/bench_plugin.py
	$(BIN)/python benchmarks/bench_cassette.py

fuzz: $(VENV)/linked ## a minute of mutated streams through every parser, and one of made-up requests at a proxy
	$(BIN)/python benchmarks/fuzz_wire.py --seconds 60
	$(BIN)/python benchmarks/fuzz_api.py --seconds 60

soak: $(VENV)/linked ## 200,000 calls of all sorts at one proxy: does its memory stay, are its sockets closed?
	$(BIN)/python benchmarks/soak.py --calls 200000

lock: $(VENV)/linked ## renew requirements.lock from pyproject.toml
	$(INSTALL) uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.12 --generate-hashes --no-header --no-annotate \
		--all-extras --group dev --no-emit-package chatreel pyproject.toml --output-file requirements.lock

clean: ## remove everything the commands above have made
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The environment: a virtual one, filled from the lock by hash and from nowhere else.
$(VENV)/locked: requirements.lock .ci/find-python
	@python=$$(.ci/find-python) && echo "Setting up .venv with $$python ..." && "$$python" -m venv --clear $(VENV)
	@$(INSTALL) --require-hashes --requirement requirements.lock
	@touch $@

# chatreel itself, editable. Strict: a tree of links that mypy and import-linter can read, made anew when a file comes or goes.
$(VENV)/linked: $(VENV)/locked pyproject.toml $(SOURCES)
	@rm -rf build
	@$(INSTALL) --no-deps --no-build-isolation --config-settings editable_mode=strict --editable .
	@$(BIN)/python -m compileall -q build # a start takes a fifth less, also where Python may not write beside its sources
	@touch $@
