# `make help` lists the targets. PYTHON chooses the interpreter of a new environment: make test PYTHON=python3.12
PYTHON ?= python3
VENV ?= .venv
# Extra overrides for `make train` and `make bench`, for example ARGS="seed=7 agent.num_envs=32"
ARGS ?=
PORT ?= 5000

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test
INSTALLED_BENCH := $(VENV)/.installed-bench
# The constraint chooses torch's build as well: the newest 2.13.0 that the machine's package sources offer.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -qq --constraint constraints.txt --editable
CREATE_VENV := $(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help train test test-all lint types ui bench results diagnosis-bench

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a few minutes the first time)"
	@$(CREATE_VENV)
	$(INSTALL) .
	@touch $@

$(INSTALLED_TEST): pyproject.toml constraints.txt
	@echo "Installing into $(VENV), tests included (a few minutes the first time)"
	@$(CREATE_VENV)
	$(INSTALL) '.[test]'
	@touch $(INSTALLED) $@

$(INSTALLED_BENCH): pyproject.toml constraints.txt
	@echo "Installing into $(VENV), the peers of the benchmark included"
	@$(CREATE_VENV)
	$(INSTALL) '.[bench]'
	@touch $(INSTALLED) $@

train: $(INSTALLED) ## train PPO on the overloaded heavy-tailed cluster and print the final report
	$(BIN)/python -m sched_rl.train agent=ppo env=heavy eval.final_report=true $(ARGS)

lint: $(INSTALLED_TEST) ## ruff
	$(BIN)/ruff check .

types: $(INSTALLED_TEST) ## mypy, strict
	$(BIN)/mypy

test: lint types ## lint, types and the fast tests
	$(PYTEST) -m "not slow"

test-all: lint types ## lint, types and every test
	$(PYTEST)

ui: $(INSTALLED) ## MLflow over mlflow.db, on this machine only; prints what to open (PORT=5000)
	$(BIN)/python -m sched_rl.tracking ui port=$(PORT)

bench: $(INSTALLED_BENCH) ## speed of the simulator, and of learning against other libraries (ARGS="rounds=3 networks=scorer")
	$(BIN)/python -m analysis.benchmarks $(ARGS)

results: $(INSTALLED) ## the tables of analysis/results/README.md from scratch; goes on where it stopped (ARGS="tables=heuristics,rollout")
	$(BIN)/python -m analysis.results $(ARGS)

diagnosis-bench: $(INSTALLED) ## does the diagnosis find what was broken on purpose? (ARGS="half=dev jobs=2", about an hour the first time)
	$(BIN)/python -m analysis.diagnosis_bench $(ARGS)
