# `make demo` and `make test` do all set-up themselves; they need Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_RUN := runs/demo
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

.PHONY: demo test test-slow test-faults test-export test-browser lint bench clean

$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: export JAX_PLATFORMS = cpu
demo: $(VENV)/installed
	$(BIN)/metadisco evolve experiments/value_loss/demo.yaml --run $(DEMO_RUN)
	$(BIN)/python experiments/value_loss/demo.py $(DEMO_RUN)

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest $(PARALLEL)

test-slow: $(VENV)/installed-dev
	$(BIN)/pytest -m slow $(PARALLEL)

# Small disks are mounted: as root, or in a user namespace of one's own.
test-faults: $(VENV)/installed-dev
	$(if $(filter 0,$(shell id -u)),,unshare --user --map-root-user --mount) $(BIN)/pytest -m faults --numprocesses 2 --dist loadfile tests/faults

# PyTorch's own index has builds for CPU, which are small; where it cannot be reached, any build will do.
test-export: $(VENV)/installed-dev
	-$(BIN)/pip install --quiet --disable-pip-version-check --index-url $(TORCH_INDEX) 'torch>=2.4'
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[torch]'
	$(BIN)/pytest -m export $(PARALLEL)

# Needs Chromium and chromedriver on the machine.
test-browser: $(VENV)/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[browser]'
	$(BIN)/pytest -m browser tests/browser

bench: $(VENV)/installed
	$(BIN)/python benchmarks/throughput.py --output benchmarks/results/throughput.json

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
