# `make demo` and `make test` do all the set-up on a machine that has Python >= 3.12 as python3.

PYTHON := .venv/bin/python
INSTALLED := .venv/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-sites test lint format notebooks experiments bench clean FORCE

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile | sort

setup: $(INSTALLED)  ## make .venv and install into it

$(INSTALLED): pyproject.toml setup.py tools/bootstrap.sh
	@sh tools/bootstrap.sh

demo: $(INSTALLED)  ## calibrate DALEC-CDEA at Davos and write the report (5 minutes)
	.venv/bin/lsm-bayes calibrate dalec_single_site --data ch-dav --output results/demo \
		--starts 12 --draws 3000 --target-accept 0.9 $(ARGS)

demo-sites: $(INSTALLED)  ## calibrate six sites of three PFTs together; needs LSM_BAYES_DATA (under an hour)
	.venv/bin/lsm-bayes calibrate dalec_pft_hierarchical --data fluxnet-daily-water --output results/demo-sites \
		--starts 2 --draws 3500 --tune 600 --target-accept 0.95 --max-treedepth 8 --yes $(ARGS)

test: $(INSTALLED)  ## run the tests, two at a time; ARGS="-k name" chooses
	OPENBLAS_NUM_THREADS=1 $(PYTHON) -m pytest --numprocesses 2 --dist worksteal $(ARGS)

lint: $(INSTALLED)  ## check style, docstrings and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: $(INSTALLED)  ## format the code and mend what ruff can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

notebooks: $(patsubst %.py,results/%.ipynb,$(wildcard notebooks/*.py))  ## execute the notebooks into results/notebooks

# Always: what a notebook shows depends on the package, not on its own text alone.
results/notebooks/%.ipynb: notebooks/%.py $(INSTALLED) FORCE
	@mkdir -p results/notebooks
	@echo "$<"
	@.venv/bin/jupytext --quiet --to ipynb --set-kernel python3 --execute --output "$@" "$<"

FORCE:

experiments: $(INSTALLED)  ## run the acceptance experiments (hours)
	$(PYTHON) -m pytest -m slow
	@set -e; for script in $(wildcard benchmarks/experiment_*.py); do echo "$$script"; $(PYTHON) "$$script"; done

bench: $(INSTALLED)  ## measure speed; prints ratios
	@set -e; for script in $(filter-out benchmarks/experiment_%,$(wildcard benchmarks/*.py)); do echo "$$script"; $(PYTHON) "$$script"; done

clean:  ## remove what the other targets made, results excepted
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
