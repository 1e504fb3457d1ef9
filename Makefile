# `make` lists what there is to do. Everything runs in .venv, which `make` sets up itself from the locked versions.
PYTHON ?= python3
BIN := .venv/bin
ONCE ?=
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' incidentwire/__init__.py)
ARTICLES ?= $(wildcard ../shared/articles)

.DEFAULT_GOAL := help

.PHONY: help
help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# What runs: 68 packages, about 280 MB. An environment with development tools serves too.
.venv/.runtime: requirements.lock
	@if [ -e .venv/.ready ]; then touch $@; else \
	  echo "Setting up .venv to run Incidentwire: 280 MB, about a minute."; \
	  $(PYTHON) -m venv .venv \
	  && $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock \
	  && $(BIN)/python tools/link_checkout.py && touch $@; fi

# What tests and checks need too.
.venv/.ready: requirements-dev.lock pyproject.toml
	@echo "Setting up .venv with development tools: 525 MB, about two minutes."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@rm -f $(BIN)/../lib/python3*/site-packages/incidentwire_checkout.pth
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: .venv/.runtime  ## run everything here and submit a few articles (ONCE=1 ends by itself)
	$(BIN)/incidentwire demo $(if $(ONCE),--once) $(if $(ARTICLES),--articles $(ARTICLES))

.PHONY: up
up: .venv/.runtime  ## run everything here, empty, until Ctrl-C
	$(BIN)/incidentwire up

.PHONY: test
test: .venv/.ready  ## all tests, against a real embedded server
	@tools/prepare_tests
	$(BIN)/pytest -q -n 4 --dist loadfile

.PHONY: test-again
test-again: .venv/.ready  ## only the tests that failed last time, one at a time
	$(BIN)/pytest -q --last-failed --last-failed-no-failures none

.PHONY: check
check: .venv/.ready  ## lint, format, types, import contracts, density
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.density

.PHONY: test-compose
test-compose: .venv/.ready  ## build the image, bring the stack up, kill parts of it, check that nothing is lost
	$(BIN)/pytest -q -p no:cacheprovider compose_tests

.PHONY: chaos
chaos: .venv/.ready  ## kill everything at random under load, then check that nothing is lost (MINUTES=1 SEED=…)
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),1) $(if $(SEED),--seed $(SEED)) $(CHAOS)

.PHONY: image
image:  ## build the image, tagged local and with the version
	docker build --build-arg VERSION=$(VERSION) --tag incidentwire:local --tag incidentwire:$(VERSION) .

.PHONY: release
release: check test  ## check, test, build the wheel, try it elsewhere, write the notes; publishes nothing
	$(BIN)/python -m tools.release

.PHONY: bench
bench: .venv/.ready  ## the table of figures, each beside its limit or peer
	$(BIN)/python -m benchmarks

.PHONY: contract
contract: .venv/.ready  ## call both services in chains of CHAINS=100 that the OpenAPI document allows
	CHAINS=$(or $(CHAINS),100) $(BIN)/pytest -q -p no:cacheprovider tests/contract.py

SECONDS ?= 300
.PHONY: fuzz
fuzz: .venv/.fuzz  ## fuzz every reader of strangers' input for SECONDS each (Linux)
	$(BIN)/python -m tools.fuzz $(SECONDS)

.venv/.fuzz: .venv/.ready tools/fuzz/requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r tools/fuzz/requirements.lock
	@touch $@

.PHONY: bench-against
bench-against: .venv/.ready  ## the figures of this checkout beside those of another, in turns: OTHER=../before
	$(BIN)/python -m benchmarks.compare $(OTHER)

.PHONY: train
train: .venv/.ready  ## train the model from corpus, real texts and CORRECTIONS=exported.jsonl
	$(BIN)/python -m services.classifier.training.train $(addprefix --extra ,$(CORRECTIONS))

.PHONY: gate
gate: .venv/.ready  ## refuse a model that is worse than the last on validation texts
	$(BIN)/python -m services.classifier.training.gate

.PHONY: screenshots
screenshots: .venv/.ready  ## take the pictures of the README with an installed Chromium
	$(BIN)/pytest -q -p no:cacheprovider tests/api/dashboard/screenshots.py

.PHONY: docs
docs: .venv/.ready  ## write the generated pages: events, settings, command line, API
	$(BIN)/python -m docs.generate

.PHONY: site
site: .venv/.ready  ## build the documentation as a site, offline, every link checked: build/site
	$(BIN)/python -m tools.site

.PHONY: lock
lock: .venv/.ready  ## lock the newest versions that pyproject.toml allows, with hashes
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-package incidentwire --extra dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  -c requirements-dev.lock pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  tools/fuzz/requirements.in -o tools/fuzz/requirements.lock
