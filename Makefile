# pitchey_slo: `make` prints the targets.
VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# where the demo puts its store and its reports
export PITCHEY_HOME ?= data
export PITCHEY_REPORTS ?= reports
# make demo SERVE=0 ends after the report; else it goes on with so many requests per second, 0: as dense as the history
SERVE ?= 1
LIVE ?= 0
DEMO_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo review test lint types bench notebooks serve parts lock clean

help: ## print the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: $(VENV)/.installed ## install everything into .venv

# uv installs in seconds; pip, which also knows company mirrors from pip.conf, is the fallback
$(VENV)/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=python3.12 make ...)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "no venv: apt-get install python3-venv"; exit 1; }
	@echo "installing into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check uv 2>/dev/null || true
	@{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock -e . 2>/dev/null; } \
		|| $(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock -e .
	@touch $@

demo: setup ## simulate a Pitchey, serve, alert, report (SERVE=0: only simulate and report)
	@if grep -Eqs '"done": ?true' "$(PITCHEY_HOME)/demo.json"; then echo "the demo is in $(PITCHEY_HOME) already; make clean removes it"; \
	else $(BIN)/pitchey-slo demo $(DEMO_ARGS); fi
	@if [ "$(SERVE)" != 0 ]; then exec $(BIN)/pitchey-slo demo --live $(LIVE) --serve; else exec $(BIN)/pitchey-slo report run slo; fi

review: setup ## the weekly threshold review on the demo, with its two planted rules
	@PITCHEY_CONFIG="$(PITCHEY_HOME)/config" $(BIN)/pitchey-slo report run threshold_review

serve: setup ## serve the API on this home
	@$(BIN)/pitchey-slo serve

# tests start many processes: without kept bytecode each would compile pandas and plotly anew, two seconds each
test: setup parts ## install what the tests need, run them
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

# real parts the tests use; what cannot be installed here is skipped with a reason (CI=true fails instead)
parts:
	@missing=$$(.ci/missing-parts); if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			.ci/install-parts $$missing; \
		else echo "some tests will be skipped; they need: sudo apt-get install $$missing"; fi; fi

lint: setup ## ruff: format and lint, notebooks too
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup ## mypy --strict on the package
	$(BIN)/mypy

bench: setup ## the benchmarks, small; docs/benchmarks.md says how to run them large
	@for b in benchmarks/[a-z]*.py; do echo "== $$b"; $(BIN)/python $$b || exit 1; done

notebooks: setup ## JupyterLab on the notebooks, on this home
	$(BIN)/jupyter lab --notebook-dir .

lock: setup ## renew requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-emit-index-url --no-header --no-annotate \
		--extra dev pyproject.toml -o requirements.lock

clean: ## remove the demo's store and reports, nothing else
	rm -rf "$(PITCHEY_HOME)" "$(PITCHEY_REPORTS)"
