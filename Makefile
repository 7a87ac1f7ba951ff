# Everything a newcomer needs: `make demo`, then `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := contracts sources feature_repo retrieval history ranking models policy simulator release beam_jobs serving replay rolecall

.PHONY: setup demo test lint bench clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: setup
	$(BIN)/rolecall run --workspace artifacts/demo

test: setup
	$(BIN)/pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES) benchmarks examples
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks.spine --size small

bench-full: setup
	$(BIN)/python -m benchmarks.spine --size full $(if $(JOBVIEWS),--jobviews "$(JOBVIEWS)")

clean:
	rm -rf artifacts build *.egg-info .mypy_cache .pytest_cache .ruff_cache
