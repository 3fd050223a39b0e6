.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
FORMATTED := rag ui tests benchmarks

.PHONY: help chat ask index test test-slow test-all lint format bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

chat: .venv/.installed ## build the index if needed and open the chat on http://127.0.0.1:7860
	$(BIN)/digest-rag ui

export Q
ask: .venv/.installed ## answer one question: make ask Q="Which paper ...?"
	@$(BIN)/digest-rag ask --build "$$Q"

index: .venv/.installed ## rebuild or update the index
	$(BIN)/digest-rag index

test: .venv/.installed-dev lint ## lint, type-check and run the fast tests
	$(BIN)/pytest -n auto

test-slow: .venv/.installed-dev ## run the slow tests: the real model, the browser
	$(BIN)/pytest -n auto --dist loadgroup -m slow

test-all: test test-slow ## all of them

lint: .venv/.installed-dev ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.installed-dev ## let ruff format and fix the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.installed ## measure answers and speed again
	$(BIN)/python benchmarks/answering.py

clean: ## remove the virtual environment, caches and the built index
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build *.egg-info
	find index_store -mindepth 1 ! -name README.md -delete
