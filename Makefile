# Two commands do everything on a machine with Python 3.10 to 3.13 and make: `make demo` and `make test`.
#   make demo [TWIN=heart.nii.gz] [OUT=out/demo]    siblings of a heart, with pictures and tables
#   make test                                       style, types, import directions and all tests
#   make bench [TWIN=heart.nii.gz]                  speed, alone, next to a busy neighbour and against MONAI
#   make clean                                      removes what these made, results in OUT excepted
# PYTHON=python3.12 chooses another Python. TORCH_INDEX=URL takes torch from PyTorch's own wheel index (README).

PYTHON ?= python3
VENV ?= .venv
OUT ?= out/demo
TWIN ?=
TORCH_INDEX ?=
TORCH := torch==2.13.0

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python
PIP := $(PY) -m pip install --disable-pip-version-check --quiet
LOCKED := requirements/locked.txt
DEVELOP := requirements/locked-develop.txt
RUN := OMP_WAIT_POLICY=passive

.DELETE_ON_ERROR:
.PHONY: demo test bench lock clean

demo: $(VENV)/.demo-ready
	$(RUN) $(PY) -m DiffusionSiblingsLib demo $(if $(TWIN),"$(TWIN)") --out "$(OUT)"

test: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(RUN) OMP_NUM_THREADS=1 MPLBACKEND=Agg $(PY) -m pytest -q -n 2 --dist worksteal

bench: $(VENV)/.test-ready
	$(RUN) $(PY) Testing/benchmarks/speed.py $(if $(TWIN),"$(TWIN)")
	$(RUN) $(PY) Testing/benchmarks/peer_monai.py $(if $(TWIN),--twin "$(TWIN)")

# Everything but torch is a locked version with a known sum.
$(VENV)/.locked-ready: Makefile $(LOCKED)
	@$(PYTHON) -c "import sys; sys.exit(0 if (3, 10) <= sys.version_info[:2] <= (3, 13) else 'Python 3.10 to 3.13 is needed, $(PYTHON) is %d.%d: make PYTHON=python3.12 ...' % sys.version_info[:2])"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment could be made (on Debian and Ubuntu: apt install python3-venv)."; exit 1; }
	@echo "Setting up $(VENV) (once; a few minutes)"
	$(PIP) --no-deps --require-hashes -r $(LOCKED)
	@touch $@

# torch finds what it needs there, but for what its build for a graphics card brings.
$(VENV)/.torch-ready: $(VENV)/.locked-ready
	$(PIP) $(TORCH) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@

$(VENV)/.demo-ready: $(VENV)/.torch-ready pyproject.toml setup.py Resources/requirements.txt requirements/cli.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.demo-ready $(DEVELOP)
	$(PIP) --no-deps --require-hashes -r $(DEVELOP)
	@touch $@

# The newest versions that fit pyproject.toml, for all Pythons and systems at once.
lock: $(VENV)/.demo-ready
	$(PIP) uv
	PATH="$(abspath $(BIN)):$$PATH" $(PY) requirements/lock.py --upgrade

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find DiffusionSiblingsLib Testing -name __pycache__ -type d -prune -exec rm -rf {} +
