# Everything is installed from pyproject.toml at the versions of constraints.txt, into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
KERNELS := tools/kernels.py src/gukbap/stages/dedup/kernels.c
# Test processes at once; a file's tests stay together, since they share servers.
JOBS ?= $(shell n=$$(nproc 2>/dev/null || sysctl -n hw.ncpu); echo $$((n < 8 ? n : 8)))
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

.PHONY: help install demo test test-slow test-docker lint docs check bench images chart lock clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /'

# Torch first and alone: it comes from whatever pip finds, at the one pinned version.
$(INSTALLED): pyproject.toml constraints.txt tools/install_helm.py $(KERNELS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,kfp,tracking,server,local,up,dev]'
	$(BIN)/python tools/install_helm.py
	touch $@

install: $(INSTALLED)  ## make .venv

demo: $(INSTALLED)  ## generate, train, evaluate and document a small Korean model on this machine
	$(BIN)/gukbap models fetch local
	$(BIN)/gukbap run local

test: $(INSTALLED)  ## run the tests that take under 20 seconds each
	$(PYTEST) -m "not slow"

test-slow: $(INSTALLED)  ## run those that take longer: whole runs, kills, real servers under load
	$(PYTEST) -m slow

test-docker: $(INSTALLED)  ## build the images on a Debian of debootstrap's and test them; as root, with a Docker engine
	$(BIN)/python -m tests.docker_images
	$(BIN)/python -m pytest -m docker

lint: $(INSTALLED)  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/component_docs.py --check

docs: $(INSTALLED)  ## write components/docs out of the components' code
	$(BIN)/python tools/component_docs.py

check: lint test test-slow  ## what CI runs

bench: $(INSTALLED)  ## run every benchmark, one after the other
	for script in bench/*.py; do $(BIN)/python $$script || exit 1; done

images: $(INSTALLED)  ## build all images with Docker
	$(BIN)/python tools/build_images.py

chart: $(INSTALLED)  ## lint, render and validate the Helm chart with all its values files, and package it
	$(BIN)/python -m tools.check_chart
	$(BIN)/helm package helm/gukbap --destination dist

lock: $(INSTALLED)  ## make constraints.txt anew from pyproject.toml
	$(BIN)/python tools/lock.py

clean:  ## remove the environment (runs stay)
	rm -rf $(VENV)
