# Every target sets up its tools first: .venv (Python) and node_modules (the CDK command line), from the lock files.
# PYTHON is the Python that .venv is built on, 3.11 or newer: make test PYTHON=python3.13

PYTHON ?= python3
ARGS ?=
JOB ?=
SEED ?= 1
DAYS ?= 3
JOBS ?=
STAGE ?= prod
READY := .venv/.ready
IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"

.DEFAULT_GOAL := help
.PHONY: help setup run up test check lint types format generate synth docs pictures bench prove simulate storm mutants clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## set up .venv and node_modules; every target below does it first

run: $(READY) ## run the whole system once on this machine, from fresh state: deploy, fire, report
	@.venv/bin/python jobs.py up --once $(ARGS)

up: $(READY) ## run it until Ctrl-C: jobs fire on schedule, state is kept
	@.venv/bin/python jobs.py up $(ARGS)

test: $(READY) ## run all tests; some of them: make test ARGS="tests/unit -k lease"
	@.venv/bin/pytest $(ARGS)

check: lint types ## check lint, format, types, generated files, and that jobs are spread over the day
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

generate: $(READY) ## write the files that are generated from the declarations
	@.venv/bin/python -m cli.generate.main

synth: $(READY) ## write the templates of a stage to cdk.out, and check them with cfn-lint: make synth STAGE=dev
	@rm -f cdk.out/*.template.json
	@$(IN_VENV) node_modules/.bin/cdk synth --quiet -c stage=$(STAGE) $(ARGS)
	@.venv/bin/cfn-lint --non-zero-exit-code error 'cdk.out/*.template.json'
	@echo "cfn-lint found no error in the $$(ls cdk.out/*.template.json | wc -l) templates of the stage $(STAGE) in cdk.out"

docs: $(READY) ## build the documentation as a site in site/; broken links fail
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict $(ARGS)
	@echo "site/index.html; with search: .venv/bin/mkdocs serve"

pictures: $(READY) ## renew the pictures of the console in docs/, in the browser that the tests use
	@.venv/bin/python -m tests.support.screenshots

bench: $(READY) ## measure the project's figures beside those of comparable software
	@.venv/bin/python -m benchmarks $(ARGS)

prove: $(READY) ## break every job at every call: make prove, or one of them: make prove JOB=usage
	@.venv/bin/python -m proof $(JOB) $(ARGS)

simulate: $(READY) ## run the jobs on a disturbed virtual clock: make simulate SEED=7 DAYS=3, or SEED=1..1000
	@.venv/bin/python -m proof.simulation --seeds $(SEED) --days $(DAYS) --jobs "$(JOBS)" $(ARGS)

storm: $(READY) ## disturb real processes on the local cloud: make storm, or one: make storm ARGS="kills --kills 100"
	@.venv/bin/python -m proof.storm $(ARGS)

mutants: $(READY) ## weaken conditions of the core, and count those that no test finds: make mutants ARGS="shared.run.claim"
	@.venv/bin/python -m proof.mutants $(ARGS)

clean: ## remove everything that set-up and runs created, the local cloud's state included
	@rm -rf .venv node_modules cdk.out site .local

# Set up again if a part is missing (an uninstalled Python leaves a dangling link), or if PYTHON is given: .venv may be
# built on another one.
ifneq ($(words $(wildcard .venv/bin/python node_modules/.bin/cdk)) $(origin PYTHON),2 file)
.PHONY: $(READY)
endif

$(READY): bootstrap.py pyproject.toml uv.lock package.json package-lock.json
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed. Nightshift needs Python 3.11 or newer: \
	install one, or pass its path: make run PYTHON=/path/to/python3.13" >&2; exit 1; }
	@$(PYTHON) bootstrap.py
