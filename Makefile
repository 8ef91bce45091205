# `make` prints this file's targets. Every target does its own set-up.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.SILENT:

LDIF ?= tests/samples/ldif/company/directory.ldif
KILLS ?= 500
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Both distort start-up: one write per print, one compile per start.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONUNBUFFERED

.PHONY: help
help: ## print the targets
	grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: install
install: ## make .venv with everything, from nothing
	.ci/install

.PHONY: run
run: install ## run the example pipeline; LDIF=FILE takes your own file
	ldif="$$(realpath -- "$(LDIF)")" || { echo "make run: error: no such file: $(LDIF)" >&2; exit 2; }
	[ -f "$$ldif" ] || { echo "make run: error: not a file: $$ldif" >&2; exit 2; }
	flexcore-gen generate
	export FLEXT_TAP_LDIF__SAMPLE_DIRECTORY_PATH="$$ldif"
	status=0
	meltano --log-level=warning run people-directory || status=$$?
	flexcore-gen runs latest
	exit $$status

.PHONY: test
test: install system-packages compiled lint ## everything: lint, types, drift, all tests but `live`
	pytest -n auto --dist loadfile -m "not live"

.PHONY: system-packages
system-packages:
	.ci/system-packages

.PHONY: compiled
compiled: install system-packages ## peers of the LDAP tests that come as source only
	.ci/compiled-packages

.PHONY: lint
lint: install ## ruff, formatting, mypy --strict, rendered files up to date
	ruff check --quiet
	ruff format --check --quiet
	mypy flexcore_gen plugins/*/flext_*
	flexcore-gen check

.PHONY: check
check: lint ## lint and the tests that need no server (about a minute)
	pytest -n auto --dist loadfile -m "not servers and not end_to_end and not live"

.PHONY: kill-matrix
kill-matrix: install ## kill the pipeline KILLS times (default 500); print what was lost
	python tests/end_to_end/kill_matrix.py --kills $(KILLS)

.PHONY: bench
bench: install ## print what the performance claims rest on
	for benchmark in $(filter-out benchmarks/processes.py,$(wildcard benchmarks/*.py)); do
	  echo "== $$benchmark"
	  python "$$benchmark"
	done

.PHONY: clean
clean: ## remove what runs leave behind; keeps .venv
	rm -rf .meltano/run .flexcore/spool data output transform/target transform/logs
