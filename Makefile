# Every target sets up what it needs: .venv (Python) and node_modules (the CDK command line), from the lock files.
# PYTHON names the Python that .venv is built on, 3.11 or newer: make test PYTHON=python3.13

PYTHON ?= python3
ARGS ?=
READY := .venv/.ready
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"

.DEFAULT_GOAL := help
.PHONY: help setup run up test check lint types format generate synth docs bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## set up .venv and node_modules; every target below does so by itself

run: $(READY) ## the whole system once on this machine, from fresh state: deploy, fire, show what happened
	@.venv/bin/python jobs.py up --once $(ARGS)

up: $(READY) ## the same, and stay: jobs fire on schedule until Ctrl-C, state is kept
	@.venv/bin/python jobs.py up $(ARGS)

test: $(READY) ## all tests; a part of them: make test ARGS="tests/unit -k lease"
	@.venv/bin/pytest $(ARGS)

check: lint types ## lint, formatting, types, that generated files are current and jobs are spread over the day
	@.venv/bin/python -m cli.generate.main --check
	@.venv/bin/python jobs.py heatmap --check

lint: $(READY)
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check

types: $(READY)
	@.venv/bin/mypy

format: $(READY) ## format the code and apply the safe fixes
	@.venv/bin/ruff check --fix
	@.venv/bin/ruff format

generate: $(READY) ## write the files that are derived from the declarations
	@.venv/bin/python -m cli.generate.main

synth: $(READY) ## the CloudFormation templates into cdk.out, then cfn-lint over them
	@rm -f cdk.out/*.template.json
	@$(IN_VENV) node_modules/.bin/cdk synth --quiet $(ARGS)
	@.venv/bin/cfn-lint --non-zero-exit-code error 'cdk.out/*.template.json'

docs: $(READY) ## the documentation as a site in site/; broken links fail
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --quiet --strict $(ARGS)
	@echo "site/index.html; with search: .venv/bin/mkdocs serve"

bench: $(READY) ## the figures that the project states, measured side by side with their peers
	@.venv/bin/python -m benchmarks $(ARGS)

clean: ## remove what set-up and runs left behind, the local cloud's state included
	@rm -rf .venv node_modules cdk.out site .local

# Set up again as well when a part is gone (a Python that was uninstalled leaves a dangling link), or when a Python is
# named: .venv may be built on another one.
ifneq ($(words $(wildcard .venv/bin/python node_modules/.bin/cdk)) $(origin PYTHON),2 file)
.PHONY: $(READY)
endif

$(READY): bootstrap.py pyproject.toml uv.lock package.json package-lock.json
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Nightshift needs Python 3.11 or newer: \
	install one, or name it: make run PYTHON=/path/to/python3.13" >&2; exit 1; }
	@$(PYTHON) bootstrap.py
