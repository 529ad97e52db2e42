# Plain recipes: each line is what a person would type.
#
#   make demo    a fresh machine to out/demo.mp4: environment, install, then the main job on assets/demo
#   make test    the tests (about ten minutes at most on two cores)
#   make lint    format, lint and type checks
#   make bench   speed against plain numpy, smplx and PyAV; benchmarks/ has more, which need data of yours
#
# TORCH names the wheel to install; a CUDA or CPU build of another version is fine: make TORCH=torch==2.6.0 demo

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
WORKERS ?= 2
BIN := $(VENV)/bin

.PHONY: demo test lint bench clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	mkdir -p out
	$(BIN)/limner imitate assets/demo/person.jpg assets/demo/dance.amc -o out/demo.mp4 --size 768

test: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(WORKERS) --dist worksteal --durations=20

lint: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed-dev demo
	$(BIN)/python benchmarks/raster.py
	$(BIN)/python benchmarks/smpl.py
	$(BIN)/python benchmarks/media.py out/demo.mp4

clean:
	rm -rf out build dist .pytest_cache .ruff_cache .mypy_cache

# The environment. A stamp file remembers that an install went through, so a second make does not repeat it.
$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13) and 'limner needs Python 3.10 to 3.13; name one with: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/installed-dev: pyproject.toml $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@
