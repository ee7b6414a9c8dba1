# make quickstart   sets up, makes data, trains, evaluates, draws: see README.md
# make test         lint and tests; make test-slow adds the long ones, test-blender and test-beam
#                   those that need Blender and Apache Beam
# make docs         the site, into site/; a warning is an error
PYTHON ?= python3
VENV ?= .venv
DATA ?= data
RUN ?= runs/quickstart
OUTPUT ?= output/quickstart
PRESET ?= tetrominoes_fast
DATASET ?= tetrominoes/generated
PRETRAINED ?= pretrained:tetrominoes_fast
SITE ?= site
# Passed on to iodine-data and iodine-train, e.g. TRAIN_FLAGS="--steps=100 --seed=1".
DATA_FLAGS ?=
TRAIN_FLAGS ?= --steps=8000
BIN := $(VENV)/bin

.PHONY: quickstart test test-slow test-blender test-beam lint types format docs clean
.DEFAULT_GOAL := quickstart

quickstart: $(VENV)/installed
	@echo "== 1/4 data"
	$(BIN)/iodine-data --dataset=$(DATASET) --data_dir=$(DATA) $(DATA_FLAGS)
	@echo "== 2/4 training $(PRESET); interrupt and run again to go on"
	$(BIN)/iodine-train --preset=$(PRESET) --run=$(RUN) --data_dir=$(DATA) $(TRAIN_FLAGS)
	@echo "== 3/4 evaluation on held-out scenes"
	$(BIN)/iodine-evaluate --run=$(RUN) --data_dir=$(DATA) --output=$(OUTPUT)
	@echo "== 4/4 pictures, of this model and of the shipped weights"
	$(BIN)/iodine-decompose --run=$(RUN) --data_dir=$(DATA) --output=$(OUTPUT)
	$(BIN)/iodine-decompose --run=$(PRETRAINED) --data_dir=$(DATA) --output=$(OUTPUT)/shipped
	@$(BIN)/python -c 'import json; r = json.load(open("$(OUTPUT)/evaluation.json"))["fg_ari"]; \
	print("\nforeground ARI %.3f +- %.3f over %d held-out scenes" \
	% (r["mean"], r["std"], r["num_images"]))'
	@echo "pictures: $(OUTPUT)/overview.png, $(OUTPUT)/iterations.png;"
	@echo "the same scenes by the shipped weights: $(OUTPUT)/shipped/overview.png"
	@echo "try next: $(BIN)/tensorboard --logdir=$(RUN)"
	@echo "          $(BIN)/iodine-decompose --run=$(RUN) --image=YOUR.png --output=output/mine"
	@echo "          $(BIN)/iodine-export --run=$(RUN) --output=output/saved_model"

# Two processes: much of a test is TensorFlow building graphs, on one core.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

test: lint
	$(PYTEST)

test-slow: lint
	$(PYTEST) -m "slow or not slow"

# Those that `make test` skips where Blender and Beam are not installed, in environments of their
# own: Blender's wheels want NumPy 1 and Python 3.11, Beam brings some forty packages.
test-blender test-beam: test-%: $(VENV)-%/installed
	$(VENV)-$*/bin/python -m pytest -p no:xdist $(NEEDING_$*)

NEEDING_blender := $(shell grep -rl '"bpy"' tests/datasets)
NEEDING_beam := $(shell grep -rl '"apache_beam"' tests/datasets)
$(VENV)-blender/installed: EXTRA := clevr
$(VENV)-beam/installed: EXTRA := beam
$(VENV)-blender/installed $(VENV)-beam/installed: pyproject.toml setup.py
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -e ".[test,$(EXTRA)]"
	@touch $@

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory types

# The package's three folders as one, which is how they are installed.
types: $(VENV)/installed
	@rm -rf $(VENV)/types && mkdir -p $(VENV)/types/iodine
	@ln -s $(CURDIR)/iodine/* $(CURDIR)/datasets $(CURDIR)/launch $(VENV)/types/iodine
	MYPYPATH=$(VENV)/types $(BIN)/mypy --cache-dir=$(VENV)/mypy -p iodine

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/installed: pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else \
	"error: %s is Python %d.%d; use 3.11 to 3.13, as in make PYTHON=python3.11" % (sys.executable, *v))'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

# In an environment of its own, which needs neither the package nor TensorFlow: docstrings are read,
# not imported. A warning is an error. The variable silences an announcement that is none of ours.
docs: $(VENV)-docs/installed
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict --quiet --site-dir=$(SITE)
	@echo "written to $(SITE)/index.html"

$(VENV)-docs/installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	@$(PYTHON) -c 'import tomllib; \
	extras = tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]; \
	print(*extras["docs"], sep="\n")' > $(@D)/requirements.txt
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $(@D)/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-blender $(VENV)-beam $(VENV)-docs build site *.egg-info
