# `make help` lists what there is to make.
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --no-deps
# pytest's own arguments: make test ARGS="-k vault"
ARGS ?=
PYTEST := $(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist worksteal

.PHONY: help
help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

# A stamp is remade when its lock changes; both locks name the same versions. pip is what `venv`
# makes last: without it, an earlier attempt broke off.
$(VENV)/.runtime: requirements.lock
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@ $(VENV)/.runtime

.PHONY: demo
demo: $(VENV)/.runtime  ## a realistic deposit tree, scanned: the table of verdicts
	@mkdir -p var/deposits
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) demo

.PHONY: serve
serve: $(VENV)/.runtime  ## the admin on http://127.0.0.1:8000 and the scheduler, until Ctrl-C
	@mkdir -p var/deposits
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) collectstatic --noinput --verbosity 0
	@exec $(MANAGE) serve

.PHONY: test
test: $(VENV)/.dev  ## the tests, on SQLite
	@$(PYTEST) $(ARGS)

.PHONY: test-postgres
test-postgres: $(VENV)/.dev  ## the tests, on a PostgreSQL server started for them
	@$(BIN)/python -m tests.postgres $(PYTEST) -m "not sqlite" $(ARGS)

.PHONY: check
check: $(VENV)/.dev  ## what a change has to pass on one Python: style, types, architecture, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check
	$(PYTEST) $(ARGS)

.PHONY: coverage
coverage: $(VENV)/.dev  ## the lines that no test runs; takes half as long again as the tests
	@$(PYTEST) --cov --cov-report=term $(ARGS)

.PHONY: format
format: $(VENV)/.dev  ## put the code into the one style
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: screenshots
screenshots: $(VENV)/.dev  ## the pictures of the README, from the demo (needs chromium)
	@$(BIN)/python -m tests.browser.screenshots

.PHONY: lock
lock:  ## pin the newest versions that pyproject.toml allows (needs uv)
	$(LOCK) -o requirements.lock
	$(LOCK) --group dev -o requirements-dev.lock

LOCK = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header pyproject.toml

.PHONY: clean
clean:  ## remove what was made, except var/ with its data
	rm -rf $(VENV) .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +

.PHONY: messages
messages: $(VENV)/.dev  ## the strings of the sources into the French catalogue, to be translated; needs gettext
	cd scanner && ../$(BIN)/python -m django makemessages -l fr --no-location --no-wrap --no-obsolete
	cd scanner && ../$(BIN)/python -m django compilemessages -l fr
