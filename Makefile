# Two commands: `make demo` answers one question end to end, `make test` passes the tests.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PIP_AUDIT := 2.10.1
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.PHONY: help install atlas demo up test test-clients test-stack check bench check-image audit format openapi derived lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## build the environment (.venv)

$(VENV)/.installed: requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "Python 3.11 is needed; call make with PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned requirements into $(VENV); a minute or two the first time"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@echo "compiling numba's kernels once, so that the first run does not wait for them"
	@$(BIN)/python -m orchestrator.warm_up
	@touch $@

atlas: install ## make and ingest the demo atlas
	@$(BIN)/python -m local atlas

demo: install ## ask one question end to end; ARGS='"my question" --max-iterations 2'
	@$(BIN)/python -m local demo $(ARGS)

up: install ## run the service until Ctrl-C; ARGS='--port 8081 --store sqlite'
	@$(BIN)/python -m local atlas
	@exec $(BIN)/python -m local up $(ARGS)

test: install ## pass the tests; ARGS='-k resolve'
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

test-clients: install ## ask the local service with a TypeScript client made of docs/openapi.yaml (needs npm)
	@$(BIN)/python -m pytest -s tests/clients/check_typescript.py

test-stack: install .venv-stack/.installed ## prove the STACK predictor with a tiny model; installs torch (2 GB)
	@STACK_PYTHON=$(CURDIR)/.venv-stack/bin/python $(BIN)/python -m pytest tests/orchestrator/test_stack_package.py $(ARGS)

.venv-stack/.installed: orchestrator/requirements-stack.in orchestrator/requirements-stack.txt
	@$(PYTHON) -m venv .venv-stack
	@.venv-stack/bin/python -m pip install --quiet --disable-pip-version-check --requirement $< --constraint $(word 2,$^)
	@touch $@

bench: install ## measure cold starts, latency, memory and settings; writes docs/performance.md (ten minutes)
	@$(BIN)/python -m benchmarks

check-image: install ## take the steps of orchestrator/Dockerfile without Docker, in a fresh environment
	@$(BIN)/python -m benchmarks.image_steps $(ARGS)

check: install ## format, lint, types, walls
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: install ## ask PyPI for known vulnerabilities of what is pinned (needs the network)
	@for file in requirements.txt orchestrator/requirements.txt requirements-dev.txt; do \
		echo "$$file:"; \
		$(BIN)/uv tool run --quiet pip-audit@$(PIP_AUDIT) --strict --disable-pip --no-deps --progress-spinner off -r $$file || { \
			echo "$$file is not known to be safe: a vulnerability is listed above, or PyPI's list could not be read from here."; exit 1; }; \
	done

format: install ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

openapi: install ## write docs/openapi.yaml anew from the code
	@$(BIN)/python -m local.openapi

derived: install ## write anew what is derived from the facts and from Google's library
	@$(BIN)/python -m local.reference_datasets
	@$(BIN)/python -m local.name_index
	@$(BIN)/python -m local.firestore_schema

lock: install ## compile requirements*.txt anew from the .in files
	@$(BIN)/uv pip compile -q --no-header --no-emit-index-url requirements-dev.in -o requirements-dev.txt
	@$(BIN)/uv pip compile -q --no-header --no-emit-index-url -c requirements-dev.txt requirements.in -o requirements.txt
	@$(BIN)/uv pip compile -q --no-header --no-emit-index-url -c requirements-dev.txt orchestrator/requirements.in -o orchestrator/requirements.txt
	@$(BIN)/uv pip compile -q --no-header --no-emit-index-url orchestrator/requirements-stack.in -o orchestrator/requirements-stack.txt

clean: ## remove what was made here, the environment included
	@rm -rf $(VENV) .local demo-results build *.egg-info
