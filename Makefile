# Every target sets up what it needs; `make` alone prints them.
PYTHON ?= python3
RATE ?= 20
FAULTS ?= 60
SEED ?= 1
POD_KILLS ?= 20
NAMESPACE ?= tallystick
RELEASE ?= tallystick
VALUES ?=
TAG ?= $(shell sed -n 's/^appVersion: //p' helm/tallystick/Chart.yaml)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := $(VENV)/.peers
MEMBERS := $(shell sed -n '/^members = \[/,/^\]/s/^ *"\(.*\)",$$/\1/p' pyproject.toml)
PROJECTS := pyproject.toml $(MEMBERS:%=%/pyproject.toml)
UV := $(BIN)/uv --quiet
SERVICES := $(filter services/%,$(MEMBERS))
IMAGED := libs/tallystick libs/contracts libs/platform $(SERVICES)
DECLARING := $(shell sed -n 's/^\([a-z0-9]*\) = .*messages = true.*/\1/p' deploy/services.toml)
TOPOLOGY := helm/tallystick/topology
SCHEMAS := tallystick_contracts=libs/contracts/tests/schemas \
    $(foreach service,$(filter-out services/operator,$(SERVICES)),$(notdir $(service))=$(service)/tests/schemas) \
    newsletter=examples/newsletter/tests/schemas

.DEFAULT_GOAL := help
.PHONY: help setup up down demo load drill bench bench-account profile service test test-all check schemas topology transcripts docs format lock clean \
    images install upgrade uninstall kind cluster-test chaos charts check-charts dashboards check-rules

help: # One line for each commented target.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(READY) ## Start the platform here and print its addresses; Ctrl-C ends it (REPLICAS_PAYMENTS=3 for more of one, EXAMPLES=1)
	@$(BIN)/python -m tallystick_local up

down: $(READY) ## Stop a platform that runs in another terminal or was left behind
	@$(BIN)/python -m tallystick_local down

demo: ORDERS ?= 200
demo: $(READY) ## Place orders on a platform of its own and show what became of them (ORDERS=200)
	@$(BIN)/python -m tallystick_local demo --orders $(ORDERS)

load: $(READY) ## Send customers at the running platform until Ctrl-C (RATE=20 orders a second)
	@$(BIN)/python -m tallystick_local load --rate $(RATE)

drill: ORDERS ?= 5000
drill: $(READY) ## Kill, cut off and poison a platform of its own, then audit every order (ORDERS, FAULTS, SEED, BREAK=name, UNBROKEN=1)
	@$(BIN)/python -m tests.drill --orders $(ORDERS) --faults $(FAULTS) --seed $(SEED) $(if $(BREAK),--break $(BREAK)) $(if $(UNBROKEN),--unbroken)

bench: $(PEERS) ## Measure us against our peers, on a machine that does nothing else (QUICK=1: under a minute; ONLY=durable)
	@$(BIN)/python -m tests.bench $(if $(QUICK),--size quick) $(if $(ONLY),--only $(ONLY))

profile: $(PEERS) ## Show where the time goes: build/bench/profile-durable.svg and a table by layer (ROW=durable, http or order)
	@$(BIN)/python -m tests.bench.profile $(or $(ROW),durable)

bench-account: $(READY) ## Measure what the account and the storage must hold, at size (ONLY=wiped)
	@$(BIN)/python -m tests.bench.account $(if $(ONLY),--only $(ONLY))

service: $(READY) ## Make a new service that works, and enter it wherever services are named (NAME=loyalty)
	@$(BIN)/python -m tallystick_skeleton '$(NAME)'

# Two files at a time: tests mostly wait, for disks and processes. Each worker has a broker and a database of its own.
test: $(READY) ## Run the tests
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder

test-all: $(PEERS) ## Run the tests and those that take minutes or need the package index
	@$(BIN)/python -m pytest -q -m 'siege or wheels or peers or not siege'

check: $(READY) ## Check the format, the lint rules, the types, the layers and the messages' schemas
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m tallystick.testing.schemas $(SCHEMAS)

schemas: $(READY) ## Renew the snapshots of the messages' schemas, unless a change breaks readers
	@$(BIN)/python -m tallystick.testing.schemas --write $(SCHEMAS)

topology: $(READY) ## Write what the charts read of streams, durables and permissions
	@$(BIN)/tally topology $(DECLARING) --write $(TOPOLOGY)

dashboards: $(READY) ## Make Grafana's dashboards out of deploy/dashboards and the runbooks
	@$(BIN)/python -m tallystick_dashboards helm/tallystick/dashboards deploy/runbooks

check-rules: $(READY) ## See every alert fire and stay silent, on made-up series (needs promtool: apt install prometheus)
	@command -v promtool >/dev/null || { echo 'promtool is needed; it comes with Prometheus (on Debian: apt install prometheus)' >&2; exit 1; }
	@$(BIN)/python -m pytest -q -m promtool tests/watching

transcripts: $(READY) ## Run every command of docs/cli.md on a platform of its own and write down what it says
	@$(BIN)/python -m tallystick_local.transcripts docs/cli.md

docs: $(READY) ## Build the documentation's site into build/docs; a broken link or reference fails
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements-docs.lock
	@rm -rf build/docs
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env --builder html --doctree-dir build/doctrees docs build/docs
	@$(BIN)/python -m pytest -q -m docs tests/docs
	@echo 'build/docs/index.html'

format: $(READY) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format --quiet

setup: $(READY) ## Install everything into .venv (the other targets do it by themselves)

images: ## Build each service's image with docker, podman or buildah, into build/images (TAG, BUILDER, BUILD_FLAGS)
	@TAG=$(TAG) deploy/images $(notdir $(SERVICES))

install: ## Install the platform into the current cluster (NAMESPACE, RELEASE, VALUES=file; needs kubectl, helm, the images there)
	@deploy/release install $(NAMESPACE) $(RELEASE) $(VALUES) -- --set-string global.image.tag=$(TAG)

upgrade: ## Bring an installed platform to this checkout; values that were set stay, VALUES are added
	@deploy/release upgrade $(NAMESPACE) $(RELEASE) $(VALUES) -- --set-string global.image.tag=$(TAG)

uninstall: ## Remove the platform; volumes and secrets stay unless PURGE=1
	@PURGE=$(PURGE) deploy/release uninstall $(NAMESPACE) $(RELEASE)

kind: images ## Make a cluster on this machine with the platform in it (needs kind, kubectl, helm, docker or podman)
	@deploy/kind.sh $(NAMESPACE) $(RELEASE)

cluster-test: $(READY) ## Test the platform that is installed in the current cluster (NAMESPACE, RELEASE; needs kubectl, helm)
	@NAMESPACE=$(NAMESPACE) RELEASE=$(RELEASE) $(BIN)/python -m pytest -q -m cluster tests/cluster

chaos: ORDERS ?= 2000
chaos: $(READY) ## Delete random pods of the installed platform while it takes orders, then audit them (POD_KILLS, ORDERS, SEED; needs kubectl)
	@$(BIN)/python -m tests.chaos --orders $(ORDERS) --pod-kills $(POD_KILLS) --seed $(SEED) --namespace $(NAMESPACE) --release $(RELEASE)

charts: $(READY) ## Renew what follows from the charts' values.yaml: their schemas and README tables
	@$(BIN)/python helm/document.py

check-charts: $(READY) ## Render the charts in every shape and hold them against Kubernetes' schemas (needs helm)
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements-charts.lock
	@$(BIN)/python -m pytest -q -n 2 -m helm tests/charts

lock: $(READY) ## Resolve the locks again (UPGRADE=1 for the newest versions)
	@$(UV) pip compile --universal --python-version 3.11 --all-extras --group dev \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header $(if $(UPGRADE),--upgrade) \
	    $(foreach member,$(MEMBERS),--no-emit-package $(shell sed -n 's/^name = "\(.*\)"/\1/p' $(member)/pyproject.toml)) \
	    $(MEMBERS:%=%/pyproject.toml) --output-file requirements.lock >/dev/null
	@$(UV) pip compile --universal --python-version 3.11 --constraint requirements.lock \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    $(foreach member,$(IMAGED),--no-emit-package $(shell sed -n 's/^name = "\(.*\)"/\1/p' $(member)/pyproject.toml)) \
	    $(IMAGED:%=%/pyproject.toml) --output-file requirements-services.lock >/dev/null
	@$(UV) pip compile --universal --python-version 3.11 --constraint requirements.lock \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group charts --output-file requirements-charts.lock >/dev/null
	@$(UV) pip compile --universal --python-version 3.11 --constraint requirements.lock \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group docs --output-file requirements-docs.lock >/dev/null
	@$(UV) pip compile --universal --python-version 3.11 --constraint requirements.lock \
	    --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    --group bench --output-file requirements-bench.lock >/dev/null

clean: ## Remove what was built here: the environment, caches, the local platform's state
	@rm -rf $(VENV) .state .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(dir $(MEMBERS)) tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamp is gone while a setup runs and comes back as its last act, so one that
# was interrupted begins again from an empty environment.
$(READY): requirements-bootstrap.txt requirements.lock $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo 'Python 3.11 or newer is needed, and $(PYTHON) is not: make PYTHON=/path/to/one ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo 'This Python lacks venv or pip (on Debian: apt install python3-venv)' >&2; exit 1; }
	@echo 'Setting up $(VENV) ...'
	@test -f $@ || $(PYTHON) -m venv --clear $(VENV)
	@rm -f $@
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	@$(UV) pip install --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(UV) pip install --python $(BIN)/python --no-deps --no-build-isolation $(MEMBERS:%=-e %)
	@touch $@

$(PEERS): $(READY) requirements-bench.lock
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements-bench.lock
	@touch $@
