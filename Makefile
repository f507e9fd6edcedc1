# Everything runs in .venv, which the first target that needs it makes and later ones reuse.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup demo test lab bench lint docs soak postgres oidc

setup: $(VENV)/.dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Belmont needs Python 3.11 or later: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp for each extra: what is installed is not asked for again.
$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV), which takes one or two minutes the first time"
	$(PIP) --editable '.[$*]'
	@touch $@

# The executable specification that audits run, and lifelines, which tests compare with, pin older versions of what they
# share with us, and work with ours.
$(VENV)/.dev: $(VENV)/.unpinned
$(VENV)/.unpinned: constraints.txt | $(BIN)/python
	$(PIP) --no-deps ethereum-execution lifelines
	@touch $@

demo: $(VENV)/.dev
	$(BIN)/belmont demo --out demo-out

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(VENV)/.dev $(VENV)/.lab
	$(BIN)/jupyter lab --notebook-dir notebooks

bench: $(VENV)/.dev $(VENV)/.bench
	$(BIN)/python -m benchmarks

docs: $(VENV)/.dev
	$(BIN)/python -m belmont.registry.permissions docs/who_can_do_what.md
	$(BIN)/python -m belmont.service.access.table docs/service_access.md

# Debian's PostgreSQL. Tests of the event index and the service run on it as well, on a server that they start themselves
# from its programs, and are skipped where it is not installed.
postgres:
	@found() { ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1 | grep . || command -v initdb; }; \
	if [ -z "$$(found)" ]; then \
	  command -v apt-get >/dev/null || { echo "no apt-get here: install PostgreSQL by other means"; exit 1; }; \
	  as=; if [ "$$(id -u)" != 0 ]; then \
	    command -v sudo >/dev/null || { echo "installing PostgreSQL needs root: run make postgres as root"; exit 1; }; \
	    echo "installing PostgreSQL, which needs root: sudo may ask for your password"; as=sudo; \
	  fi; \
	  $$as apt-get update -q && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql || exit 1; \
	fi; \
	echo "PostgreSQL is installed: $$(dirname "$$(found)")"

# Kills the chain's server in every phase of a block: make soak ROUNDS=50 for a short one.
ROUNDS ?= 1000
soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.soak --rounds $(ROUNDS)

# A certified OpenID Connect provider (MIT) for the tests of signing in; needs node and npm. Without this target the tests
# install it for themselves, and skip where there is no npm.
OIDC := tests/service/sign_in/oidc_provider
oidc: $(BIN)/python
	mkdir -p $(VENV)/oidc
	cp $(OIDC)/package.json $(OIDC)/package-lock.json $(VENV)/oidc
	npm ci --ignore-scripts --no-audit --no-fund --prefix $(VENV)/oidc
