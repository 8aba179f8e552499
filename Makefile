# The two commands: `make demo` and `make test`. `make` alone lists all.
PYTHON ?= python3.11
LAKEHOUSE := .lakehouse/env/bin/lakehouse
RUN := .lakehouse/env/bin
LOCK := ../.lakehouse/bootstrap/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url
.DEFAULT_GOAL := help
.PHONY: help doctor setup demo test test-fast up down status reset lab notebooks exercises lint bench lock

help:  ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

doctor:  ## is this machine ready? (needs nothing installed)
	@if [ -x $(LAKEHOUSE) ]; then $(LAKEHOUSE) stack doctor; else $(PYTHON) stack/doctor.py; fi

setup:  ## install everything below .lakehouse/; a second time it does nothing
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) was not found. next: install Python 3.11, or make PYTHON=/path/to/python3.11"; exit 1; }
	@test -d .lakehouse/stamps || $(PYTHON) stack/doctor.py machine
	@$(PYTHON) stack/setup.py

demo: setup  ## the whole way: stack up, webhooks sent, pipeline run by Airflow, ledger balanced
	@$(LAKEHOUSE) demo

test: setup  ## fast tests, then the live lane in a stack of its own; logs and executed notebooks: .lakehouse/artifacts
	@began=$$(date +%s); $(RUN)/ruff check . && $(RUN)/ruff format --check -q . && $(RUN)/mypy && echo "style and types: $$(( $$(date +%s) - began )) s"
	@$(RUN)/pytest --junitxml=.lakehouse/artifacts/junit.xml

test-fast: setup  ## only what needs no service
	@$(RUN)/pytest -m "not stack and not notebook"

up: setup  ## start all services
	@$(LAKEHOUSE) stack up

down:  ## stop all services; data stays
	@$(LAKEHOUSE) stack down

status:  ## services, ports, memory
	@$(LAKEHOUSE) stack status

reset:  ## stop all and delete the stack's data
	@$(LAKEHOUSE) stack reset

lab: setup  ## JupyterLab on the notebooks
	@$(LAKEHOUSE) lab

notebooks: setup  ## run all lessons on the running stack; writes a site of executed copies
	@$(LAKEHOUSE) lessons run

exercises: setup  ## progress across the exercise sheets
	@$(LAKEHOUSE) exercises list

lint: setup  ## ruff, mypy, the lessons' rules, notebooks without outputs
	@$(RUN)/ruff check . && $(RUN)/ruff format --check . && $(RUN)/mypy
	@$(RUN)/nbstripout --keep-id --verify notebooks/*.ipynb notebooks/tasks/*.ipynb exercises/*.ipynb
	@$(LAKEHOUSE) lessons lint

bench: setup  ## measure everything beside its goal, an hour or more; some of it: make bench BENCH="--only webhooks"
	@$(RUN)/python -m bench $(BENCH)

lock:  ## resolve the requirements anew, with hashes
	@cd requirements && $(LOCK) uv.in -o uv.txt && $(LOCK) trino-java.in -o trino-java.txt && $(LOCK) --override overrides.txt airflow.in -o airflow.txt && $(LOCK) --override overrides.txt notebook.in -o notebook.txt
