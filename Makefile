# Everything a fresh machine needs is Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
DBA := $(VENV)/bin/dba
PIP_INSTALL := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
REFERENCE := results/reference
JOBS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install run test test-lowest test-wheel release-check zoo abuse lint compare bench reference tables reproduce reproduce-quick report paper docs clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed  ## make .venv with the command .venv/bin/dba

run: install  ## train SGD, Adam and DBA on 1 % of MNIST and print the table
	@$(DBA) run configs/mnist_1pct.yaml
	@$(DBA) compare mnist_1pct

test: $(VENV)/installed-test  ## pass the tests
	@# Two processes of one thread each: more threads than cores wait for each other longer than they compute.
	@# In the order of the folders: by themselves they would put the files with one long test last.
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-wheel: $(VENV)/installed-dist $(VENV)/installed-test  ## build the package, and use it from another folder in a fresh environment
	rm -rf dist
	$(VENV)/bin/python -m build --outdir dist
	$(VENV)/bin/python -m twine check --strict dist/*
	tools/test_wheel.sh dist $(VENV)/bin/python

test-lowest: $(VENV)/bin/python  ## pass the tests once with the lowest versions that pyproject.toml promises (Python 3.11)
	rm -rf build/lowest
	$(PYTHON) -m venv build/lowest
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	build/lowest/bin/uv pip install --python build/lowest/bin/python --resolution lowest-direct --editable '.[test]'
	@# Old releases warn of the new ones of what they depend on, and round the last of twelve digits otherwise: that is no
	@# fault of the bounds.
	OMP_NUM_THREADS=1 build/lowest/bin/python -m pytest --numprocesses 2 --dist loadfile \
	  -W default::DeprecationWarning -W default::PendingDeprecationWarning -W default::FutureWarning \
	  -W 'default:Attempting to set identical:UserWarning' \
	  --deselect 'tests/comparison/test_formats.py::test_everything[csv]' \
	  --deselect 'tests/comparison/test_formats.py::test_everything[json]'

release-check: test-wheel  ## whether this tree can be released: its version everywhere, a clean tree, and the wheel in use
	$(VENV)/bin/python -m tools.release

zoo: $(VENV)/installed-zoo  ## pass the tests with other people's networks and trainers (timm, transformers, accelerate, peft)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile tests/zoo

abuse: $(VENV)/installed-test  ## kill the commands at any moment, fill their disks, cut off their files (minutes)
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 tests/abuse

lint: $(VENV)/installed-lint  ## ruff, mypy, the import contract, and the files that GitHub reads
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	$(VENV)/bin/check-jsonschema --quiet --builtin-schema vendor.citation-file-format --default-filetype yaml CITATION.cff

compare: install  ## print the tables of all runs in results/
	@$(DBA) compare

bench: $(VENV)/installed-bench  ## measure what steps cost and what --jobs 2 gains, and write results/bench/
	$(VENV)/bin/python benchmarks/step_cost.py
	$(VENV)/bin/python benchmarks/exactness.py
	$(VENV)/bin/python benchmarks/overhead.py
	$(VENV)/bin/python benchmarks/deformed_step.py
	$(VENV)/bin/python benchmarks/trace_cost.py
	$(VENV)/bin/python benchmarks/compiled_step.py
	$(VENV)/bin/python benchmarks/cheaper_scoring.py
	$(VENV)/bin/python benchmarks/jobs.py
	$(VENV)/bin/python benchmarks/audit.py
	$(VENV)/bin/python -m tools.fill_pages

reference: install  ## do the missing reference runs (official MNIST only) and write their tables anew
	$(DBA) run configs/mnist_1pct.yaml configs/mnist_10_per_class.yaml --set data.source=official --results $(REFERENCE)
	$(MAKE) tables

tables: install  ## write the tables of the reference runs anew, in results/ and in the README
	$(DBA) compare --strict --results $(REFERENCE) --format markdown --output $(REFERENCE)/tables.md
	$(DBA) compare --strict --results $(REFERENCE) --format csv --output $(REFERENCE)/tables.csv
	$(VENV)/bin/python -m tools.fill_pages

reproduce: install  ## do the missing runs of every claim (official MNIST, hours) and write the report anew
	$(VENV)/bin/python -m reproduction run --jobs $(JOBS)
	$(MAKE) report

reproduce-quick: install  ## the same in little, in minutes, in results/reproduction-quick
	$(VENV)/bin/python -m reproduction run --quick --jobs $(JOBS)
	$(VENV)/bin/python -m reproduction report --quick

report: install  ## write results/REPORT.md and its figures anew from the recorded runs
	$(VENV)/bin/python -m reproduction report
	$(VENV)/bin/python -m tools.fill_pages

paper: $(VENV)/installed-paper  ## compile the write-up that `make report` fills, build/paper.pdf
	mkdir -p build
	$(VENV)/bin/python -c "import typst; typst.compile('docs/paper/paper.typ', 'build/paper.pdf', root='.', ignore_system_fonts=True)"

docs: $(VENV)/installed-docs  ## write the filled pages anew, and build the documentation site, build/site/index.html
	$(VENV)/bin/python -m tools.config_page
	$(VENV)/bin/python -m tools.fill_pages
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --quiet --strict

.PHONY: screenshot
screenshot: install  ## take the picture of the report in docs/images anew (with Chromium)
	$(VENV)/bin/python -m tools.report_screenshot

clean:  ## remove .venv and caches; keep results and data
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp per set of packages: nothing is installed again until one of these files changes.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make: Python 3.11 or newer is needed; give one with PYTHON=python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@# torch first and by itself: what depends on it then finds it there and brings no other build.
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/installed-dist: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[dist]'
	@touch $@

$(VENV)/installed-zoo: $(VENV)/installed-test
	$(PIP_INSTALL) --editable '.[zoo]'
	@touch $@

$(VENV)/installed-bench: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[bench]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[docs]'
	@touch $@

$(VENV)/installed-paper: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[paper]'
	@touch $@

$(VENV)/installed-lint: $(VENV)/installed
	$(PIP_INSTALL) --editable '.[lint]'
	@touch $@
