# Each target does all of its own set-up; a stamp file keeps it from being done twice.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
# PyPI's torch for Linux is a CUDA build of gigabytes; this index has CPU builds. It is used where it
# answers and there is no NVIDIA card; TORCH_INDEX= (empty) takes what your own index has.
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi 2>/dev/null),,https://download.pytorch.org/whl/cpu)

UV = $(VENV)/bin/uv pip install --quiet --compile-bytecode --python $(VENV)/bin/python
SOURCES = pyproject.toml setup.py src/tenfold/model/kernels/kernels.c
# Asked first: pip itself retries an index that does not answer for minutes.
ANSWERS = import sys, urllib.request as web; web.urlopen(sys.argv[1] + "/torch/", timeout=5)

.PHONY: train test processes lint command-line docs build wheel clean

train: $(VENV)/.train
	$(VENV)/bin/tenfold train

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest

processes: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -m processes

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

command-line: $(VENV)/.dev
	$(VENV)/bin/typer tenfold.cli utils docs --name tenfold --title "Command line" --output docs/reference/command-line.md

docs: $(VENV)/.docs
	$(VENV)/bin/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs
	@echo "the documentation: build/docs/index.html"

build: $(VENV)/.dev
	$(VENV)/bin/python -m build --installer uv

wheel: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -m network tests/integration/test_wheel.py

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tenfold needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip --disable-pip-version-check --quiet install uv  # installs in seconds what takes pip minutes
	@touch $@

# pip, not uv: it knows the wheels that a machine's own pip.conf names.
$(VENV)/.torch: $(VENV)/.python
	@index=; \
	if [ -n "$(TORCH_INDEX)" ] && $(VENV)/bin/python -c '$(ANSWERS)' "$(TORCH_INDEX)" 2>/dev/null; \
		then index="--extra-index-url $(TORCH_INDEX)"; fi; \
	set -x; $(VENV)/bin/python -m pip --disable-pip-version-check --quiet install $(TORCH) $$index
	@touch $@

$(VENV)/.train: $(VENV)/.torch $(SOURCES)
	$(UV) --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch $(SOURCES)
	$(UV) --editable '.[audit,bulk,ray,serve,sets,train,tune]' --group dev
	@touch $@

$(VENV)/.docs: $(VENV)/.dev
	$(UV) --group docs
	@touch $@

clean:
	rm -rf $(VENV) build dist src/tenfold.egg-info src/tenfold/model/kernels/*.so
