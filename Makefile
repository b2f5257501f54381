# make score [SOLUTION=...] [ARGS=...]   score a solution
# make test                              the tests that take minutes
# make test-all                          those, then the slow ones
# make test-oldest                       the tests that take minutes with the oldest admitted packages, in .venv-oldest
# make test-newest                       and with the newest, in .venv-newest
# Each sets up its environment first; the second time that takes no time.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SOLUTION ?= scl_improved
ARGS ?=
READY := .venv/.ready
RUN := .venv/bin/python

PYTEST := -m pytest -n 2 --dist loadfile

.PHONY: score leaderboard notebook test test-all test-oldest test-newest lint lock clean

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
	$(RUN) $(PYTEST) -m "not slow"

test-all: test
	$(RUN) $(PYTEST) -m slow

test-oldest test-newest: test-%: .venv-%/.ready
	.venv-$*/bin/python $(PYTEST) -m "not slow"

lint: $(READY)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(RUN) -m mypy --config-file tests/mypy.ini

# Replaces constraints.txt by the newest versions that pyproject.toml admits.
lock: $(READY)
	$(RUN) -m pip install --quiet --upgrade --upgrade-strategy eager --editable '.[all,dev]'
	sed -n '/^#/p' constraints.txt > .venv/constraints.txt
	$(RUN) -m pip freeze --exclude-editable | grep -vE '^(nvidia|cuda)-|^triton=' >> .venv/constraints.txt
	mv .venv/constraints.txt constraints.txt

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	touch $@

.venv-oldest/.ready: pyproject.toml constraints-oldest.txt
	python3.11 -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --constraint constraints-oldest.txt --editable '.[all,dev]'
	touch $@

.venv-newest/.ready: pyproject.toml
	python3.13 -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --editable '.[all,dev]'
	-.venv-newest/bin/python -m pip install --quiet --editable '.[jax-privacy]'
	touch $@

clean:
	rm -rf .venv .venv-oldest .venv-newest runs
