# `make demo` and `make test` do all set-up themselves; they need Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_RUN := runs/demo
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile

TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
INSTALL_TORCH = $(BIN)/pip install --quiet --disable-pip-version-check --index-url $(TORCH_INDEX) 'torch>=2.4'

# The parts of `make bench`, in the order in which they run.
BENCHES := throughput scaling cost chunks memory overhead starts games cheap_talk
# pip takes each platform tag by itself.
WHEEL_TAGS := 2_28_x86_64 2_27_x86_64 2_17_x86_64

DOCS := build/docs

.PHONY: demo docs test typed test-ordinary test-slow test-faults test-distributed test-export test-browser lint bench bench-wheels clean

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

# As a strict user of the package sees its types.
typed: $(VENV)/installed-dev
	cd tests/api && $(abspath $(BIN))/mypy --strict --config-file= --cache-dir=$(CURDIR)/.mypy_cache/strict typed_use.py

# More than half of the time of these tests is compiling; `make test-slow` and the others optimise as commands do. A
# program compiles faster in one piece, and with XLA's older emitters of fused code; newer versions have no others.
COMPILE_FAST := --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_parallel_codegen_split_count=1
OLDER_EMITTERS := import jax; print("--xla_cpu_use_fusion_emitters=false" * (jax.__version_info__ < (0, 10)))

test: lint
	XLA_FLAGS="$(COMPILE_FAST) $$($(BIN)/python -c '$(OLDER_EMITTERS)') $$XLA_FLAGS" $(BIN)/pytest $(PARALLEL)

# What XLA does by default shows here alone. PYTHON and VENV choose another Python: make test-ordinary PYTHON=python3.13 VENV=.venv-newest
test-ordinary: $(VENV)/installed-dev
	XLA_FLAGS= $(BIN)/pytest -m "ordinary or not slow" tests/ordinary tests/inner/cpu/test_threefry.py
	XLA_FLAGS= $(BIN)/pytest -m ordinary tests/problems/test_opponent_shaping.py
	XLA_FLAGS= $(BIN)/pytest -m "ordinary or not slow" tests/test_evolve.py -k "changes_no_bit or again_and_again"

test-slow: $(VENV)/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/pytest -m slow $(PARALLEL)

# Each test starts several processes, so that one is enough at a time.
test-distributed: $(VENV)/installed-dev
	$(BIN)/pytest -m distributed tests/distributed

# Small disks are mounted: as root, or in a user namespace of one's own.
test-faults: $(VENV)/installed-dev
	$(if $(filter 0,$(shell id -u)),,unshare --user --map-root-user --mount) $(BIN)/pytest -m faults --numprocesses 2 --dist loadfile tests/faults

# PyTorch's own index has builds for CPU, which are small; where it cannot be reached, any build will do.
test-export: $(VENV)/installed-dev
	-$(INSTALL_TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[torch,axelrod]'
	$(BIN)/pytest -m export $(PARALLEL)

# Needs Chromium and chromedriver on the machine.
test-browser: $(VENV)/installed-dev
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[browser]'
	$(BIN)/pytest -m browser tests/browser

# Strict: a warning, a dead link within the site or a public name without documentation fails it. Notebooks run when they have
# changed; craftax is there so that its environments are listed.
docs: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs,craftax]'
	$(BIN)/sphinx-build -W --keep-going -n -b html docs $(DOCS)

# About half an hour on two cores with nothing else running. Without PyTorch and Stable-Baselines3 that peer alone is missing.
bench: $(VENV)/installed
	-$(INSTALL_TORCH)
	-$(BIN)/pip install --quiet --disable-pip-version-check -e '.[torch]'
	set -e; for part in $(BENCHES); do $(BIN)/python benchmarks/$$part.py --output benchmarks/results/$$part.json --force; done
	$(BIN)/python benchmarks/table.py

# What benchmarks/gpu.sh carries to a machine from which nothing can be reached.
bench-wheels: $(VENV)/installed
	$(BIN)/pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
		--implementation cp $(WHEEL_TAGS:%=--platform manylinux_%) --dest benchmarks/wheels -r benchmarks/wheels.txt

clean:
	rm -rf .venv* .mypy_cache .ruff_cache .pytest_cache build *.egg-info
