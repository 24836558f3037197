# Every habit of this project is one target. Each bootstraps its own .venv with nothing but python3, pip and make.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo up test check soak bench screenshots lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# Debian's python3 may come without ensurepip, so the environment is made without pip and filled from outside.
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv --without-pip .venv
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: .venv/ready  ## the main job, end to end, then serve (ARGS=--once ends after the story)
	@$(BIN)/onceline demo $(ARGS)

up: .venv/ready  ## serve everything in one process group on port 8000
	@$(BIN)/onceline up $(ARGS)

test: .venv/ready  ## run the tests on an embedded PostgreSQL (ARGS="-k name" narrows)
	$(BIN)/pytest $(ARGS)

check: .venv/ready  ## style, types, import rules, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/test_tidy.py

soak: .venv/ready  ## the long forms of the laws, about two hours
	$(BIN)/pytest tests/laws tests/journeys/test_crashes.py tests/journeys/test_machines.py tests/journeys/test_channels.py --soak --timeout=3600 $(ARGS)

bench: .venv/ready  ## what it costs, each figure as a ratio against a limit of the same run
	$(BIN)/python -m bench $(ARGS)

screenshots: .venv/ready  ## every page of the desk in both modes and three widths, to var/screenshots
	$(BIN)/python -m tests.browser.screenshots

messages: .venv/ready  ## gather what people read into the translators' files, and compile them (needs gettext)
	cd src/onceline/desk && DJANGO_SETTINGS_MODULE=onceline.desk.settings ../../../$(BIN)/django-admin makemessages --locale zh_Hans --no-location --no-wrap --ignore migrations
	cd src/onceline/desk && DJANGO_SETTINGS_MODULE=onceline.desk.settings ../../../$(BIN)/django-admin compilemessages

lock: .venv/ready  ## renew requirements.lock (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --extra dev --no-emit-index-url pyproject.toml -o requirements.lock --custom-compile-command 'make lock'

clean:  ## forget the environment and the caches (data under var/ stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
