# Everything a fresh machine needs; `make help` lists the targets.
# PYTHON       the interpreter that makes .venv (3.11 to 3.13)
# TORCH_INDEX  a package index to take torch from, where the default one offers only a CUDA build
PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := -q -c requirements.lock
PACKAGES := tunery rag serve core tui

.PHONY: help quickstart test lint install gpu lock bench pictures clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

quickstart: .venv/.installed  ## train, prove, export, serve and ask the example's model, then stop
	@$(BIN)/python examples/quickstart.py

install: .venv/.installed  ## make .venv with everything that training needs

test: .venv/.installed-test lint  ## all checks and all tests; CI runs exactly this
	$(BIN)/python -m pytest -q

lint: .venv/.installed-test  ## formatting, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

gpu: .venv/.installed  ## after install, on a CUDA machine: one onnxruntime, and bitsandbytes
	$(PIP) install $(LOCKED) -e '.[train,starter,gpu]'
	$(PIP) uninstall -q -y onnxruntime onnxruntime-gpu
	$(PIP) install $(LOCKED) --no-deps onnxruntime-gpu
	$(BIN)/tunery doctor

lock:  ## write requirements.lock anew from pyproject.toml
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install -q uv
	build/lock/bin/uv pip compile -q --universal --all-extras --no-header --no-annotate --upgrade \
	  pyproject.toml -o requirements.lock

bench: .venv/.installed-test  ## the training step against plain trl, side by side
	$(BIN)/python benchmarks/train_speed.py

pictures: .venv/.installed-test  ## the README's pictures, from the running app
	$(BIN)/python docs/pictures.py

clean:  ## remove .venv and caches; state in .tunery stays
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Tunery needs python 3.11 to 3.13; name one with make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.torch: requirements.lock | .venv/bin/python
	$(PIP) install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep -E '^torch==' requirements.lock)"
	@touch $@

# llama-cpp-python is compiled here the first time, which takes about three minutes on two cores.
.venv/.installed: pyproject.toml requirements.lock .venv/.torch
	@echo "Installing; the first time compiles llama-cpp-python for some minutes."
	$(PIP) install $(LOCKED) -e '.[train,starter]'
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

.venv/.installed-test: .venv/.installed
	$(PIP) install $(LOCKED) -e '.[train,starter,test]'
	@touch $@
