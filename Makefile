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

# The lock has exact versions and hashes, but not of torch: every index has another build of it.
LOCK = $(VENV)/bin/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	--python-version 3.11 --override requirements/overrides.txt --no-emit-package torch --no-emit-package setuptools
EXTRAS = audit bulk forms heic ray serve sets sweep train
FUZZ_SECONDS ?= 60

# Without bytecode on the disk each of hundreds of processes compiles the package and pytest's plugins.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: train test processes lint command-line docs build wheel lock fuzz sbom clean

train: $(VENV)/.train
	$(VENV)/bin/tenfold train

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# They wait for a part of their time: three at a time keep two processors busy. The files of short tests come last.
processes: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -m "processes and not slow" --numprocesses 3 --dist loadfile --no-loadscope-reorder $$(grep -rl mark.processes tests | sort)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

command-line: $(VENV)/.dev
	$(VENV)/bin/typer tenfold.cli utils docs --name tenfold --title "Command line" --output docs/reference/command-line.md

docs: $(VENV)/.dev
	$(VENV)/bin/sphinx-build --fail-on-warning --keep-going --quiet docs build/docs
	@echo "the documentation: build/docs/index.html"

build: $(VENV)/.dev
	$(VENV)/bin/python -m build --installer uv

wheel: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -m network tests/integration/test_wheel.py tests/integration/test_container.py tests/integration/test_release.py

lock: $(VENV)/.python
	$(LOCK) --upgrade pyproject.toml $(addprefix --extra ,$(EXTRAS)) --group dev --group docs --output-file requirements/dev.txt
	$(LOCK) --upgrade --constraint requirements/dev.txt --group tools --output-file requirements/tools.txt

fuzz: $(VENV)/.tools
	$(VENV)/bin/python fuzz/campaign.py --seconds $(FUZZ_SECONDS)

sbom: $(VENV)/.tools
	mkdir -p build
	$(VENV)/bin/cyclonedx-py environment --no-validate --pyproject pyproject.toml --output-file build/sbom.json $(VENV)/bin/python
	@echo "the software bill of materials, CycloneDX: build/sbom.json"

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tenfold needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip --disable-pip-version-check --quiet install uv==0.13.9  # installs in seconds what takes pip minutes
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

$(VENV)/.dev: $(VENV)/.torch $(SOURCES) requirements/dev.txt
	$(UV) --require-hashes --requirement requirements/dev.txt
	$(UV) --no-deps --editable .
	@touch $@

$(VENV)/.tools: $(VENV)/.dev requirements/tools.txt
	$(UV) --require-hashes --requirement requirements/tools.txt
	@touch $@

clean:
	rm -rf $(VENV) build dist src/tenfold.egg-info src/tenfold/model/kernels/*.so
