# Each target does all of its own set-up; a stamp file keeps it from being done twice.
PYTHON ?= python3
VENV ?= .venv
# A CPU build. Elsewhere PyPI's Linux wheel of torch is a CUDA build of gigabytes; to avoid it:
#   make train TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0

PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
SOURCES = pyproject.toml setup.py src/tenfold/model/_kernels.c

.PHONY: train test lint docs clean

train: $(VENV)/.installed
	$(VENV)/bin/tenfold train

test: $(VENV)/.dev
	$(VENV)/bin/tenfold data fetch mnist
	$(VENV)/bin/python -m pytest

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: $(VENV)/.dev
	$(VENV)/bin/typer tenfold.cli utils docs --name tenfold --title "The command line" --output docs/cli.md

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tenfold needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "no venv here; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(PIP) install --upgrade "pip>=25.1"
	$(PIP) install $(TORCH)
	@touch $@

$(VENV)/.installed: $(VENV)/.python $(SOURCES)
	$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) install --group dev
	@touch $@

clean:
	rm -rf $(VENV) build
