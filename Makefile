# The two commands: `make demo` and `make test`. `make` alone lists all.
PYTHON ?= python3.11
LAKEHOUSE := .lakehouse/env/bin/lakehouse
RUN := .lakehouse/env/bin
LOCK := ../.lakehouse/bootstrap/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url
COMPOSE := docker compose --file stack/compose/compose.yaml --env-file $(or $(LAKEHOUSE_DATA_DIR),.lakehouse/stack)/compose/.env
.DEFAULT_GOAL := help
.PHONY: help doctor setup demo test test-fast test-faults up down status reset observe dashboards lab notebooks exercises lint bench
.PHONY: compose-up compose-down compose-check chaos lock

help:  ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

doctor:  ## is this machine ready? (needs nothing installed)
	@if [ -x $(LAKEHOUSE) ]; then $(LAKEHOUSE) stack doctor; else $(PYTHON) stack/doctor.py; fi

setup:  ## install everything below .lakehouse/; a second time it does nothing
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) was not found. next: install Python 3.11, or make PYTHON=/path/to/python3.11"; exit 1; }
	@test -d .lakehouse/stamps || $(PYTHON) stack/doctor.py machine
	@$(PYTHON) stack/setup.py

demo: setup  ## the whole way: stack up, webhooks sent, pipeline run by Airflow, ledger balanced
	@$(LAKEHOUSE) demo

test: setup  ## fast tests, then the live lane in a stack of its own; logs and executed notebooks: .lakehouse/artifacts
	@$(PYTHON) stack/setup.py observe dashboards
	@began=$$(date +%s); $(RUN)/ruff check . && $(RUN)/ruff format --check -q . && $(RUN)/mypy && echo "style and types: $$(( $$(date +%s) - began )) s"
	@$(RUN)/pytest --junitxml=.lakehouse/artifacts/junit.xml -m "not faults"

test-faults: setup  ## what make test leaves out for its length: a fault for each alert, the scheduler killed in a run
	@$(PYTHON) stack/setup.py observe
	@$(RUN)/pytest -m faults

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

observe: setup  ## metrics, pictures and alerts of the whole stack, beside it; builds VictoriaMetrics the first time
	@$(PYTHON) stack/setup.py observe
	@$(LAKEHOUSE) stack up core observe
	@$(LAKEHOUSE) stack pages observe

lab: setup  ## JupyterLab on the notebooks
	@$(LAKEHOUSE) lab

compose-up: setup  ## the core as containers (needs Docker Compose)
	@$(LAKEHOUSE) compose prepare
	@$(COMPOSE) --profile core up --build --detach --wait

compose-down:  ## stop the containers; data stays in their volumes
	@$(COMPOSE) --profile '*' down

compose-check: setup  ## compose.yaml loaded by Compose's own loader; no Docker needed
	@$(LAKEHOUSE) compose check

dashboards: setup  ## Superset with dashboards over ClickHouse and Trino; prints their addresses
	@$(PYTHON) stack/setup.py dashboards
	@$(LAKEHOUSE) stack up dashboards
	@$(LAKEHOUSE) dashboards import

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

chaos: setup  ## kill services under load in a stack of its own; the time to recover; nothing lost (36 minutes here)
	@$(LAKEHOUSE) chaos run --own-stack

lock:  ## resolve the requirements anew, with hashes
	@cd requirements && $(LOCK) uv.in -o uv.txt && $(LOCK) trino-java.in -o trino-java.txt && $(LOCK) go.in -o go.txt && $(LOCK) --override overrides.txt airflow.in -o airflow.txt && $(LOCK) superset.in -o superset.txt && $(LOCK) --override overrides.txt notebook.in -o notebook.txt
