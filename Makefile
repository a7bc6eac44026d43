# qwex: the two commands of the README, and the ones its makers use. Each makes what it needs in .venv first.

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.10 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
SAY := @printf '\033[1m== %s\033[0m\n'
# Tests run on every core; PYTEST adds options: make test PYTEST='-k queue'
PYTEST ?=
# Options of JupyterLab's: make lab JUPYTER='--allow-root --no-browser'
JUPYTER ?=
CLUSTER ?= qwex
HARNESS = PYTHONPATH=tests/cluster $(BIN)/python -m harness
S3 = PYTHONPATH=tests/cluster:tests/shared $(BIN)/python -m s3servers

# What JupyterLab's part is built from.
LAB := qwex_ext/labextension
LAB_SOURCES = $(shell find $(LAB)/src $(LAB)/style $(LAB)/schema -type f -not -name schema.ts) \
	$(wildcard $(LAB)/*.json) clients/openapi.json

.PHONY: help demo lab test unit lint types docs-check openapi screenshots bench bench-kueue bench-lab bench-machines bench-mlflow bench-s3 cluster-build cluster-up cluster-down s3-build s3-up s3-down mlflow-up mlflow-down clean

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: .venv/.demo  ## run the first notebook: cells become queued jobs and come back
	$(SAY) 'notebooks/01_first_job.ipynb, every cell a job in the queue'
	@$(BIN)/qwex demo

lab: .venv/.lab  ## open JupyterLab with the demo notebook, the sidebar and the cards
	@mkdir -p .lab && cp -n notebooks/01_first_job.ipynb .lab/ 2>/dev/null || true
	$(SAY) 'JupyterLab; end it with Ctrl-C'
	@cd .lab && ../$(BIN)/jupyter lab $(JUPYTER) 01_first_job.ipynb

test: .venv/.test  ## run all tests
	$(SAY) 'tests'
	@# One worker more than there are processors: most tests wait for a process, a pod or a server, some for long.
	@$(BIN)/python -m pytest -n $(shell expr $$(nproc) + 1) --dist worksteal --ignore tests/lab $(PYTEST)
	$(SAY) 'tests in a browser'
	@# Apart: a browser drops its requests when the network changes, as the test cluster makes it.
	@$(BIN)/python -m pytest tests/lab $(PYTEST) || [ $$? -eq 5 ]

unit: .venv/.test  ## run the fast tests only
	@$(BIN)/python -m pytest -n auto -m 'not slow' --ignore tests/lab $(PYTEST)

lint: .venv/.lint  ## style, import contracts
	$(SAY) 'style'
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(SAY) 'import contracts'
	@$(BIN)/lint-imports

types: .venv/.lint  ## strict types
	$(SAY) 'types'
	@$(BIN)/mypy

docs-check: .venv/.test  ## every snippet and every list in the docs is true
	$(SAY) 'docs'
	@$(BIN)/python -m pytest -q tests/docs

openapi: .venv/.test  ## write clients/openapi.json from the routes
	@$(BIN)/python -m qwex.controller.openapi > clients/openapi.json

screenshots: .venv/.test  ## take pictures of it in JupyterLab, in light, dark and high contrast
	@$(BIN)/python docs/screenshots.py screenshots

bench: .venv/.bench  ## measure against the peers; takes about a quarter of an hour
	@$(BIN)/python benchmarks/run.py

bench-kueue: .venv/.test  ## measure the backend kueue on a cluster of its own; takes about ten minutes
	@$(BIN)/python benchmarks/kueue.py

bench-mlflow: .venv/.test  ## measure what recording jobs in MLflow costs; takes about four minutes
	@$(BIN)/python benchmarks/mlflow.py

bench-lab: .venv/.test  ## measure JupyterLab's part in a browser; takes about three minutes
	@$(BIN)/python benchmarks/lab.py

bench-machines: .venv/.test  ## measure dev machines on a cluster beside kubectl; takes about four minutes
	@$(BIN)/python benchmarks/devmachines.py

bench-s3: .venv/.test  ## measure uploads beside s3fs and boto3; takes about five minutes
	@$(BIN)/python benchmarks/s3.py

cluster-build: .venv/.test  ## build a Kubernetes with Kueue from Go modules, once; about 20 minutes
	$(SAY) 'programs and images of the test cluster'
	@$(HARNESS) build

cluster-up: .venv/.test  ## start that cluster and leave it running; CLUSTER=name for a second one
	@$(HARNESS) up --name $(CLUSTER)

cluster-down: .venv/.test  ## end it
	@$(HARNESS) down --name $(CLUSTER)

s3-build: .venv/.test  ## build an S3 server from its Go module, once; two to five minutes
	$(SAY) 'the S3 server of the tests'
	@$(S3) build

s3-up: .venv/.test  ## start that server and leave it running; prints what to set
	@$(S3) up

s3-down: .venv/.test  ## end it; what it holds stays
	@$(S3) down

mlflow-up: .venv/.test  ## start an MLflow server on this machine and leave it running; prints what to set
	@PYTHONPATH=tests/cluster:tests/shared $(BIN)/python -m mlflowserver up

mlflow-down: .venv/.test  ## end it; what it holds stays
	@PYTHONPATH=tests/cluster:tests/shared $(BIN)/python -m mlflowserver down

clean:  ## remove what make made
	rm -rf .venv .lab build dist $(LAB)/built $(LAB)/lib $(LAB)/node_modules .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/.base: pyproject.toml
	@test -n "$(PYTHON)" || { echo 'qwex needs Python 3.10 or newer; name one with: make PYTHON=/path/to/python3' >&2; exit 1; }
	$(SAY) 'a virtual environment in .venv, with $(PYTHON)'
	@$(PYTHON) -m venv .venv || { echo 'This Python cannot make virtual environments; on Debian: apt install python3-venv' >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

.venv/.demo: .venv/.base
	$(SAY) 'qwex and what the demo shows (scikit-learn, matplotlib): about a minute'
	@QWEX_LABEXTENSION=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,metrics]'
	@touch $@

.venv/.lab: .venv/.demo $(LAB_SOURCES) hatch_build.py
	$(SAY) 'JupyterLab, and the part of it that is qwex: two minutes, once'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,lab,metrics]'
	@touch $@

.venv/.test: .venv/.lab
	$(SAY) 'the test tools'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo,lab,metrics,kueue,s3]' --group test
	@touch $@

.venv/.lint: .venv/.test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group lint
	@touch $@

.venv/.bench: .venv/.test
	@touch $@
