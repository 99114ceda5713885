# Two commands do everything on a fresh machine with Python 3.11: `make demo` and `make test`.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help demo down test lint types unit bench docs clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(BIN)/python pyproject.toml
	$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) install --quiet --editable '.[dev,train]'
	@touch $@

demo: $(VENV)/.core  ## start OpenSearch with polyrank, ingest the demo catalogue, search it, evaluate it
	@PATH="$(CURDIR)/$(BIN):$$PATH" demo/run

down: $(VENV)/.core  ## stop what `make demo` started
	@$(BIN)/plugin down

test: lint types unit  ## environment, lint, types, all tests (a real node included)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/python -m pytest

DATA ?= ../shared/data
CHORUS = $(DATA)/chorus-icecat
LANGUAGES = $(DATA)/chorus-translated

bench: $(VENV)/.dev  ## measure: service, engine, relevance, languages (data in DATA, default ../shared/data)
	$(BIN)/python -m bench.service_latency
	$(BIN)/plugin up
	$(BIN)/python -m bench.engine_latency --data $(CHORUS)
	$(BIN)/ingest run $(CHORUS)/corpus.jsonl.gz --index chorus --no-translate
	$(BIN)/plugin evaluate --index chorus --queries $(CHORUS)/queries.jsonl.gz --qrels $(CHORUS)/qrels-pooled.tsv.gz
	$(BIN)/python -m bench.language_detection --queries $(LANGUAGES)/queries.jsonl.gz
	$(BIN)/python -m bench.language_detection --queries $(DATA)/gpc-xling/queries.jsonl.gz --sample 1000
	$(BIN)/python -m bench.cross_lingual --index chorus --queries $(LANGUAGES)/queries.jsonl.gz --qrels $(LANGUAGES)/qrels-pooled.tsv.gz
	$(BIN)/python -m bench.fusion
	$(BIN)/python -m bench.translation_memory
	$(BIN)/python -m bench.attributes --data $(CHORUS)
	$(BIN)/python -m bench.expansion --data $(CHORUS)
	$(BIN)/python -m bench.attributes_gain --index chorus --data $(CHORUS)
	$(BIN)/python -m bench.translators --int8
	$(BIN)/python -m bench.by_language --index chorus --data $(LANGUAGES) --data $(DATA)/chorus-xling --sample 300
	$(BIN)/python -m bench.unread --queries $(LANGUAGES)/train-queries.jsonl.gz --qrels $(CHORUS)/train-judged.tsv.gz
	$(BIN)/python -m bench.deadline --index chorus --queries $(CHORUS)/queries.jsonl.gz --qrels $(CHORUS)/qrels-pooled.tsv.gz
	$(BIN)/python -m bench.service_load
	$(BIN)/python -m bench.ingest_throughput --data $(CHORUS)
	$(BIN)/python -m bench.torture --data $(CHORUS) --no-embed --limit 2000 --restarts 1
	$(BIN)/python -m bench.index_bytes --data $(CHORUS)
	$(BIN)/python -m bench.scale_plan --vectors all

docs: $(VENV)/.dev  ## write docs/cli.md from the commands
	$(BIN)/python docs/write_cli.py

clean:  ## remove the environment and caches of this checkout (not POLYRANK_HOME)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
