# A bare machine needs Python 3.11 or newer, Node 20 or newer, git and make; each target sets up the
# rest of what it needs, once. `make help` lists the targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Two at a time, since most tests wait for servers; who is done first takes over from the other.
PYTEST ?= $(BIN)/python -m pytest -n 2 --dist worksteal
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c requirements/constraints.txt
NPM := npm install --no-fund --no-audit --no-update-notifier --omit-lockfile-registry-resolved

# Stamps: a target that stands here is up to date while what it was made from is not newer.
MADE := $(VENV)/.made
PACKAGES := pyproject.toml requirements/dev.txt requirements/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup litellm lint format types test pytest docs contract bench bench-lambda bench-rooms fuzz soak demo pins clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(MADE)/dev $(MADE)/ric $(MADE)/sam $(MADE)/litellm node_modules/.made $(MADE)/system  ## install everything that tests and tools need

$(MADE)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "penstock needs Python 3.11 or newer; say which: make PYTHON=python3.13 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "no venv: install your system's python3-venv package" >&2; exit 1; }
	@mkdir -p $(MADE) && touch $@

$(MADE)/demo: $(MADE)/venv $(PACKAGES)
	@echo "installing penstock and its command line into $(VENV)"
	@$(PIP) -e '.[cli,lambda,speed]'
	@touch $@

$(MADE)/dev: $(MADE)/venv $(PACKAGES)
	@echo "installing penstock and what its tests need into $(VENV) (a minute or two, once)"
	@$(PIP) -r requirements/dev.txt -e '.[cli,forms,lambda,speed]'
	@touch $@ $(MADE)/demo

# The older clients of Lambda's runtime that the tests run handlers under, each in a folder of its own.
RICS := 2.0.12 3.1.1 4.0.4
$(MADE)/ric: $(MADE)/dev
	@for version in $(RICS); do \
		test -d .state/ric/$$version/awslambdaric || $(BIN)/python -m pip install -qq \
			--disable-pip-version-check -t .state/ric/$$version awslambdaric==$$version || exit 1; done
	@touch $@

# LiteLLM pins an older openai: an environment of its own, where its tests run it.
$(MADE)/litellm: $(MADE)/venv requirements/litellm.txt
	@echo "installing LiteLLM into .venv-litellm (a minute, once)"
	@test -x .venv-litellm/bin/python || $(PYTHON) -m venv .venv-litellm
	@.venv-litellm/bin/python -m pip install -qq --disable-pip-version-check -r requirements/litellm.txt
	@touch $@

litellm: $(MADE)/litellm  ## LiteLLM's own environment, for tests/llm

$(MADE)/bench: $(MADE)/dev bench/requirements.txt bench/package.json
	@$(PIP) -r bench/requirements.txt
	@cd bench && $(NPM)
	@touch $@

# The SAM command line, and in it AWS's Runtime Interface Emulator. What it depends on conflicts with ours.
$(MADE)/sam: $(MADE)/venv requirements/sam.txt
	@echo "installing AWS's SAM command line into $(VENV)/sam"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --upgrade \
		--target $(VENV)/sam -r requirements/sam.txt
	@touch $@

node_modules/.made: package.json
	@command -v node >/dev/null && command -v npm >/dev/null || \
		{ echo "the interop tests need Node 20 or newer, with npm" >&2; exit 1; }
	@echo "installing the JavaScript readers of the interop tests"
	@$(NPM) --no-package-lock --silent
	@touch $@

$(MADE)/system: tools/system.sh $(MADE)/venv
	@sh tools/system.sh
	@touch $@

lint: $(MADE)/dev  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/pyright

format: $(MADE)/dev  ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup lint pytest  ## everything that must be green: set-up, lint, all tests, docs

pytest: setup  ## the tests alone; ARGS="tests/core -k pump -n 0" for some of them
	$(PYTEST) $(ARGS)

docs: setup  ## the code blocks of the README and docs/
	$(PYTEST) tests/docs

contract: $(MADE)/venv  ## which rows of the contract no test names
	@$(BIN)/python tools/contract.py

bench: $(MADE)/bench  ## the side-by-side benchmark; ARGS="burst --servers raw,penstock"
	$(BIN)/python -m bench $(ARGS)

bench-lambda: setup  ## handlers on Lambda beside Mangum and a bare loop
	$(BIN)/python -m bench.lambdas $(ARGS)

bench-rooms: $(MADE)/bench  ## a room over Redis in two processes, and 10,000 idle sessions
	$(BIN)/python -m bench.rooms $(ARGS)

fuzz: setup  ## the random tests at full count: some minutes
	PENSTOCK_FUZZ=100000 $(PYTEST) -m fuzz --timeout=3600 -o faulthandler_timeout=3600 $(ARGS)

soak: setup  ## ten minutes of ill-treated channels, and rooms of full size on four processes and a Redis
	PENSTOCK_FULL=1 $(BIN)/python -m pytest -n 0 tests/servers/test_rooms.py
	$(BIN)/python -m tests.soak $(ARGS)

demo: $(MADE)/demo  ## a chat page in the browser, streaming; no key, no account
	@$(BIN)/penstock demo

pins: $(MADE)/bench  ## write down the versions that are installed now
	(echo "# Every version that a green run had, by \`make pins\`."; \
		$(BIN)/python -m pip freeze --exclude-editable) > $(MADE)/constraints.txt
	mv $(MADE)/constraints.txt requirements/constraints.txt

clean:  ## remove everything that was made here
	rm -rf $(VENV) .venv-litellm node_modules bench/node_modules build dist .mypy_cache .ruff_cache .pytest_cache
	rm -rf .hypothesis .import_linter_cache .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
