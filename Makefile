# Every command of the project. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
ARGS ?=
WORKERS ?= 2
N ?= 10000
# The lock names everything: pip resolves nothing and builds nothing. The Dockerfile and docs/how-to/install.md do the same.
LOCKED := --require-hashes --no-deps --only-binary :all:
PATHS := $(wildcard fhir_pmp tests demo bench docs)

.PHONY: help setup backing-services check lint fix test test-spec test-unit test-integration test-contract test-faults \
	test-e2e soak demo screenshots demo-clean bench hapi lock docs clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

setup: $(READY) ## build .venv from the lock and install the project in it

$(READY): requirements/dev.lock pyproject.toml
	@python=$$(for name in python3 python3.14 python3.13 python3.12 python3.11; do \
		"$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; \
		done || true); \
	if [ -z "$$python" ]; then \
		echo "Python 3.11 or newer with its venv module is missing. On Debian: apt-get install python3 python3-venv" >&2; exit 1; fi; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV)
	@echo "Installing what requirements/dev.lock names"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(LOCKED) -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --no-index --editable .
	@$(BIN)/python -m pip check --disable-pip-version-check
	@touch $@

backing-services: $(READY) ## find or install PostgreSQL, Chromium and poppler, and build the EHR and veraPDF for the tests
	@$(BIN)/python -m tests.backing_services

check: lint ## lint, and the structure tests: what to run before a commit
	@$(BIN)/pytest tests/structure -q -m "not slow"

lint: $(READY) ## format, ruff, types, import contracts and YAML
	@$(BIN)/ruff format --check $(PATHS)
	@$(BIN)/ruff check $(PATHS)
	@$(BIN)/mypy $(PATHS)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/yamllint --strict .

fix: $(READY) ## format and mend what ruff can mend
	@$(BIN)/ruff format $(PATHS)
	@$(BIN)/ruff check --fix $(PATHS)

test: backing-services ## lint, and every test, with the EHR, databases and browser they need
	@lint_failed=0; $(MAKE) lint || lint_failed=1; \
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS); \
	if [ $$lint_failed = 1 ]; then echo "make lint found something: it stands above the tests" >&2; exit 1; fi

test-spec: $(READY) ## scoring and outcome rules
	@$(BIN)/pytest tests/spec $(ARGS)
test-unit: $(READY) ## logic that needs nothing else
	@$(BIN)/pytest tests/unit $(ARGS)
test-integration: $(READY) ## store, intake, push and pages together, over SQLite and PostgreSQL
	@$(BIN)/pytest tests/integration $(ARGS)
test-contract: $(READY) ## what we believe of an EHR, asked of our stub and of HAPI
	@$(BIN)/pytest tests/contract $(ARGS)
test-faults: $(READY) ## kill -9, lost answers, sick EHRs
	@$(BIN)/pytest tests/faults $(ARGS)
test-e2e: $(READY) ## the promises made to each visitor, through the real doors
	@$(BIN)/pytest tests/end_to_end $(ARGS)

soak: $(READY) ## random schedules of events, faults and crashes against every promise (N=10000, ARGS="--seed 1")
	@$(BIN)/python -m tests.soak $(N) --workers $(WORKERS) $(ARGS)

demo: $(READY) ## 200 synthetic people, all the way to a real EHR (ARGS=--once ends by itself; ARGS="--ehr stub" needs no Java)
	@$(BIN)/python -m demo $(ARGS)

screenshots: $(READY) ## take the README's pictures anew, from a `make demo` that is serving
	@$(BIN)/python -m docs.screenshots $(ARGS)

demo-clean: ## forget what the demo kept
	@rm -rf demo/data

bench: $(READY) ## side-by-side measurements, each a ratio
	@$(BIN)/python -m bench $(ARGS)

hapi: $(READY) ## run the real EHR alone, until Ctrl-C (ARGS="--folder F --port N --in-memory")
	@$(BIN)/python -m tests.hapi.server $(ARGS)

lock: $(READY) ## work out the lock files anew
	@cd requirements && for name in runtime build dev; do \
		../$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
			--no-header --allow-unsafe --strip-extras --output-file $$name.lock $$name.in; done

docs: $(READY) ## write the generated pages of docs/reference anew
	@$(BIN)/python -m docs.generate $(ARGS)

clean: ## remove what was built
	@rm -rf $(VENV) build dist tests/hapi/target tests/backing_services/verapdf_jars/target .mypy_cache .ruff_cache .pytest_cache
