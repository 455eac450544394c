# `make demo` answers one question end to end. `make test` runs the tests. `make help` lists the rest.
# The newest supported Python that runs here; `make PYTHON=/path/to/python3` chooses another.
PYTHON ?= $(shell for version in 3.13 3.12 3.11; do python$$version -c "" 2>/dev/null && echo python$$version && break; done)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Locks are universal: one file for every supported Python and platform. Existing pins stay until their input asks for others.
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url
export PYTHONUNBUFFERED = 1

.DEFAULT_GOAL := help
.PHONY: help install demo up atlas ingest test test-clients test-stack bench load load-faults check format audit sbom openapi terraform derived lock mutants clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Create .venv with the pinned packages

# python-ok CODE: stop unless the chosen Python is a supported version.
define python-ok
	@test -n "$(PYTHON)" || \
		{ echo "No supported Python found. Install Python 3.13, 3.12 or 3.11, or run: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "$(PYTHON) does not run Python 3.11, 3.12 or 3.13. Run: make PYTHON=/path/to/python3"; exit 1; }
endef

# pip installs only uv, which takes seconds for the rest where pip takes minutes. The package itself is only haystack_client;
# checkout.pth lets the programs of this environment, such as functions-framework, import the other folders from here.
$(VENV)/.installed: requirements-uv.txt requirements-dev.txt pyproject.toml
	$(python-ok)
	@test -x $(BIN)/python || { echo "creating $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "$(VENV) has another Python than 3.11, 3.12 or 3.13. Run: make clean install"; exit 1; }
	@echo "installing uv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-uv.txt
	@echo "installing the pinned packages into $(VENV)"
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip sync --require-hashes requirements-dev.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "checkout.pth").write_text("$(CURDIR)\n")'
	@touch $@

demo: install ## Ask one question end to end, and compare with the truth; ARGS='"my question" --max-iterations 2'
	@$(BIN)/python -m local demo $(ARGS)

up: install ## Run the service until Ctrl-C; ARGS='--port 8081 --store firestore'
	@exec $(BIN)/python -m local up --demo-atlas $(ARGS)

atlas: install ## Build and ingest the demo atlases
	@$(BIN)/python -m local atlas

ingest: install ## Add your own atlas to the local service; ARGS='my_atlas cells.h5ad'
	@$(BIN)/python -m local ingest $(ARGS)

test: install ## Run the tests; ARGS='-k resolve'
	@$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

test-clients: install ## Call the local service with a TypeScript client generated from docs/openapi.yaml (needs npm)
	@$(BIN)/python -m pytest -s tests/clients/check_typescript.py

test-stack: install .venv-stack/.installed ## Test the STACK predictor with a tiny model; installs torch (2 GB)
	@STACK_PYTHON=$(CURDIR)/.venv-stack/bin/python $(BIN)/python -m pytest tests/orchestrator/prediction/test_stack_package.py $(ARGS)

# Hashes are not verified here, because a CPU build of torch (named by UV_FIND_LINKS or PIP_FIND_LINKS) is another file than PyPI's.
.venv-stack/.installed: orchestrator/requirements-stack.in orchestrator/requirements-stack.txt
	$(python-ok)
	@test -x .venv-stack/bin/python || $(PYTHON) -m venv --without-pip .venv-stack
	@VIRTUAL_ENV=.venv-stack UV_FIND_LINKS="$${UV_FIND_LINKS-$$PIP_FIND_LINKS}" \
		$(BIN)/uv pip install --no-verify-hashes --requirement $< --constraint $(word 2,$^)
	@touch $@

bench: install ## Measure cold starts, latency, memory and settings; writes docs/performance.md (ten minutes)
	@$(BIN)/python -m tools.benchmarks $(ARGS)

load: install .venv-load/.installed ## Load the local service with locust and check every response
	@.venv-load/bin/python -m tools.benchmarks.load $(ARGS)

load-faults: install .venv-load/.installed ## The same with services that lose their functions and their store (ten minutes)
	@$(BIN)/python -m tools.benchmarks.load --faults --users 200 --minutes 3 $(ARGS)

.venv-load/.installed: tools/requirements-load.txt
	$(python-ok)
	@test -x .venv-load/bin/python || $(PYTHON) -m venv --without-pip .venv-load
	@VIRTUAL_ENV=.venv-load $(BIN)/uv pip sync --require-hashes $<
	@touch $@

check: install ## Check format, lint, types and import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m deploy.terraform --check
	@! command -v terraform >/dev/null || terraform fmt -check -diff deploy/terraform

mutants: install ## Change the code in small ways and count the changes that no test notices (hours); ARGS='"shared.auth.keys.*"'
	@$(BIN)/python -m tools.mutants $(ARGS)

format: install ## Format the code and fix what ruff can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@! command -v terraform >/dev/null || terraform fmt deploy/terraform

audit: install ## Look up known vulnerabilities of the pinned packages (needs the network)
	@for file in $(wildcard requirements*.txt */requirements*.txt); do \
		echo "$$file:"; \
		$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r $$file || \
			{ echo "$$file: pip-audit listed a vulnerability above, or could not read PyPI's list."; exit 1; }; \
	done

sbom: install ## Write bills of materials (CycloneDX) of the functions and the job's images into sbom/
	@$(BIN)/python -m tools.sbom

openapi: install ## Regenerate docs/openapi.yaml from the code
	@$(BIN)/python -m tools.openapi

terraform: install ## Regenerate the Terraform module's files from the tables of deploy.sh
	@$(BIN)/python -m deploy.terraform

derived: install ## Regenerate the data files that derive from other data
	@$(BIN)/python -m tools.derived

lock: install ## Recompile requirements*.txt from the .in files
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt
	@$(COMPILE) -c requirements-dev.txt requirements.in -o requirements.txt
	@$(COMPILE) -c requirements-dev.txt orchestrator/requirements.in -o orchestrator/requirements.txt
	@$(COMPILE) -c requirements-dev.txt orchestrator/requirements-llm.in -o orchestrator/requirements-llm.txt
	@$(COMPILE) orchestrator/requirements-stack.in -o orchestrator/requirements-stack.txt
	@echo uv | $(COMPILE) --no-annotate -c requirements-dev.txt - -o requirements-uv.txt
	@test ! -e tools/requirements-load.in || $(COMPILE) tools/requirements-load.in -o tools/requirements-load.txt

clean: ## Remove everything that make created, including .venv
	@rm -rf $(VENV) .venv-stack .venv-load .local demo-results results sbom mutants build *.egg-info
