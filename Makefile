# make score [SOLUTION=...] [ARGS=...]   score a solution
# make test                              the tests that take minutes
# make test-all                          those, then the slow ones
# Each sets up .venv first; the second time that takes no time.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SOLUTION ?= scl_improved
ARGS ?=
READY := .venv/.ready
RUN := .venv/bin/python

.PHONY: score leaderboard notebook test test-all lint clean

score: $(READY)
	$(RUN) evaluation/score.py --solution $(SOLUTION) $(ARGS)

leaderboard: $(READY)
	$(RUN) evaluation/leaderboard.py --markdown results/README.md
	$(RUN) evaluation/leaderboard.py --task digits --markdown README.md --ends 6 > /dev/null
	$(RUN) evaluation/catalogue.py --markdown solutions/README.md

notebook: $(READY)
	$(RUN) -m jupytext --to ipynb --output starting_kit/starting_kit.ipynb starting_kit/notebook_sources/starting_kit.py
	.venv/bin/jupyter-execute --inplace starting_kit/starting_kit.ipynb

test: $(READY)
	$(RUN) -m pytest -n 2 --dist loadfile -m "not slow"

test-all: test
	$(RUN) -m pytest -n 2 --dist loadfile -m slow

lint: $(READY)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv runs
