# Everything a newcomer needs: `make demo`, then `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
# Knobs of `make demo` that differ from params.yaml, such as ROLECALL_LABEL__TRAIN_LISTS=100
KNOBS ?=
PACKAGES := contracts sources feature_repo retrieval history ranking models policy simulator release beam_jobs serving replay backfill rolecall rolecall_client clients

.PHONY: setup demo test lint docs clients bench bench-full bench-gpu clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: setup
	env $(KNOBS) $(BIN)/rolecall run --workspace artifacts/demo
	$(BIN)/dvc commit --force --quiet  # so that `dvc status` and `dvc repro` know of the run

test: setup
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clients: setup
	$(BIN)/python -m clients.generate

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES) benchmarks examples
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m benchmarks.spine --size small

bench-full: setup
	$(BIN)/python -m benchmarks.spine --size full $(if $(JOBVIEWS),--jobviews "$(JOBVIEWS)")

bench-gpu: setup
	$(BIN)/python -m benchmarks.retrieval_gpu --device cuda

clean:
	rm -rf artifacts build *.egg-info .mypy_cache .pytest_cache .ruff_cache
