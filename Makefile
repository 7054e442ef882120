# make          set up .venv and run the workflow on the bundled data
# make test     set up and run the whole test suite
# make quick    the tests that take less than ten seconds each
# make coverage which lines of the library the quick tests reach (they take a quarter longer)
# make lint     formatters, linters, type checker
# make docs     the JSON schemas and the tables of config/README.md, from the settings of the library
# make detectors  train the detectors that come with the package anew (some minutes for each)
# make lock     write requirements.lock and the conda environment anew from pyproject.toml
# make bench    the benchmarks: cards and digits over five seeds, STEM systems, movies, strain and
#               detection over three, the table of the main job, and speed beside the peers; with PEER_PYTHON=…, the Python
#               of an environment with pyroVED, the peers as well
# make clean    remove the results of the main job

PYTHON ?= python3
CORES ?= all
BIN := .venv/bin

.PHONY: all test quick coverage lint docs detectors lock bench clean

all: .venv/ready
	$(BIN)/snakemake --cores $(CORES)

test: .venv/ready
	$(BIN)/pytest

quick: .venv/ready
	$(BIN)/pytest -m "not slow"

coverage: .venv/ready
	$(BIN)/pytest -m "not slow" --cov --cov-report=term:skip-covered

lint: .venv/ready
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/mypy

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

docs: .venv/ready
	$(BIN)/python -m vaescope.workflow.reference

detectors: .venv/ready
	$(BIN)/python -m vaescope.workflow.bundle

lock:
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/pip install --quiet ".[dev]"
	build/lock/bin/pip freeze --exclude vaescope | sed 's/+cpu$$//' > requirements.lock
	sed -i '/- pip:/q' workflow/envs/vaescope.yaml
	sed 's/^/      - /' requirements.lock >> workflow/envs/vaescope.yaml
	rm -r build/lock

bench: .venv/ready
	$(BIN)/python benchmarks/family.py
	$(BIN)/python benchmarks/stem.py
	$(BIN)/python benchmarks/movies.py
	$(BIN)/python benchmarks/strain.py
	$(BIN)/python benchmarks/detection.py
	$(BIN)/python benchmarks/im2spec.py
	-$(BIN)/python benchmarks/field.py --out benchmarks/results/field.md
	$(BIN)/python benchmarks/main_job.py
	$(BIN)/python benchmarks/speed
	$(BIN)/python benchmarks/speed/overhead.py
	$(BIN)/python benchmarks/speed/growth.py
	$(BIN)/python benchmarks/explorer.py
ifdef PEER_PYTHON
	$(BIN)/python benchmarks/peers.py $(PEER_PYTHON)
endif

clean:
	rm -rf results .snakemake
