PYTHON ?= python3
PYTEST_ARGS ?=
BIN := .venv/bin

.PHONY: help demo test test-devices test-all lint docs bench wheel-check clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/.installed  ## a trained network solves real digits in Brian2: table and figures in runs/demo
	$(BIN)/bionet demo --out runs/demo --force

test: .venv/.installed  ## the tests, without the slow ones
	$(BIN)/python -m pytest -m "not slow and not devices" -n 2 --durations 15 $(PYTEST_ARGS)

test-devices: .venv/.installed  ## the same spikes on NumPy, Cython and C++ standalone
	$(BIN)/python -m pytest -m "devices and not slow" -n 2 --dist loadscope --durations 15 $(PYTEST_ARGS)

test-all: .venv/.installed  ## all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: .venv/.installed  ## code rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: .venv/.docs  ## the documentation site in docs/_build/html, without a warning
	rm -rf docs/generated
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

bench: .venv/.installed  ## speed and memory against PyTorch and Brian2's Synapses
	$(BIN)/python -m benchmarks.speed

wheel-check: .venv/.installed  ## build the wheel; import, run and type-check it elsewhere
	.ci/wheel-check

clean:  ## remove build products and caches; .venv and runs stay
	rm -rf build dist docs/_build docs/generated *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find bionet equations conversion figures tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.version_info >= (3, 11) or \
	  sys.exit(f"BioNet needs Python 3.11 or newer, $(PYTHON) is {v}: try make PYTHON=python3.12")'
	@command -v $(CXX) >/dev/null || { echo "BioNet needs a C++ compiler, $(CXX) isn't there" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[test,lint]"
	# A folder named bionet beside a script, such as this checkout, must not be taken for the package.
	@cp packaging/bionet_first.pth "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@touch $@

.venv/.docs: .venv/.installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[docs]"
	@touch $@
