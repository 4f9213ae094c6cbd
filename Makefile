# taosink: `make run` shows it at work, `make test` proves it, `make help` lists the rest.
# Every target does its own set-up: .venv is made with uv where it is on PATH, else with python3 and pip.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# `make test INSTALL=wheel` tests the built wheel, as CI does, instead of the tree.
INSTALL ?= editable
# Test files run side by side: most of them wait for something most of the time.
PROCESSES ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export UV_NO_CONFIG = 1

# Puts what the lock file $(1) names, and taosink itself, into .venv.
define install
	@./.ci/venv "$(VENV)" $(1) $(2)
endef

$(VENV)/.run-stamp: requirements.txt pyproject.toml .ci/venv
	$(call install,requirements.txt,editable)
	@touch $@

$(VENV)/.dev-stamp: requirements-dev.txt pyproject.toml .ci/venv
	$(call install,requirements-dev.txt,$(INSTALL))
	@touch $@ $(VENV)/.run-stamp

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.dev-stamp ## only the set-up, which the other targets do by themselves

.PHONY: run
run: $(VENV)/.run-stamp ## broker, database, producer, consumers, gateway, devices, audit (ARGS='--keep')
	@$(BIN)/taosink demo $(ARGS)

.PHONY: check
check: $(VENV)/.dev-stamp ## ruff, ruff format, mypy strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test
test: $(VENV)/.dev-stamp ## the whole suite (ARGS='-k offsets')
	$(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev-stamp ## seeded faults, kills, cuts, memory, gateways (ARGS='-k chaos': ten minutes of faults)
	$(BIN)/pytest tests/soak -m soak -s -o faulthandler_timeout=0 $(ARGS)

.PHONY: bench
bench: $(VENV)/.dev-stamp ## what a row costs: encode alone, and the consumer end to end
	$(BIN)/python tests/bench/bench_encode.py $(ARGS)
	$(BIN)/python tests/bench/bench_consumer.py $(ARGS)

.PHONY: docs
docs: $(VENV)/.dev-stamp ## write anew what is made from the code: references, example settings, dashboard, alerts
	$(BIN)/python -m taosink_cli.documents
	$(BIN)/python deployments/grafana/generate.py
	$(BIN)/python deployments/kubernetes/make_prometheusrule.py

.PHONY: proof
proof: ## run docker-compose.yml with kills and an audit, on images made here (root, apt, minutes; ARGS='--help')
	deployments/compose/proof.sh $(ARGS)

.PHONY: dist
dist: $(VENV)/.dev-stamp ## what is released: sdist, wheel, bill of materials, checked, in dist/
	@./.ci/dist "$(VENV)" dist

.PHONY: lock
lock: $(VENV)/.dev-stamp ## write the requirements files anew (needs uv)
	@command -v uv >/dev/null || { echo "make lock: uv is needed: pip install uv"; exit 1; }
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url pyproject.toml --group dev -o requirements-dev.txt
	@# What the image's build needs, in the same versions.
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--constraint requirements-dev.txt --custom-compile-command 'make lock' \
		deployments/docker/requirements-build.in -o deployments/docker/requirements-build.txt

.PHONY: clean
clean: ## remove .venv and what the tools leave behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage dist .cache
