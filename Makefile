# Needs Python 3.11 or newer (with venv) and make; every target installs what it lacks, once.

PYTHON ?= python3
HOST = $(or $(SEQ2SEQ_SERVER__HOST),127.0.0.1)
PORT = $(or $(SEQ2SEQ_SERVER__PORT),8080)
ARGS =
CASES = 1000
PATHS = .

VENV = .venv
RUN = $(VENV)/bin/python -m
PIP_INSTALL = pip install --quiet --disable-pip-version-check
UV = uv==0.13.9

.PHONY: help
help: ## Say what there is (the default).
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PYTHON=$(PYTHON) HOST=$(HOST) PORT=$(PORT) ARGS='more arguments' (test, test-train, test-page, test-live, test-cluster, bench)"

.PHONY: serve
serve: $(VENV)/cpu.installed ## Serve models/fr-en on the CPU. HOST, PORT.
	@exec env SEQ2SEQ_SERVER__HOST=$(HOST) SEQ2SEQ_SERVER__PORT=$(PORT) $(RUN) service

.PHONY: test
test: $(VENV)/dev.installed ## Run the tests. ARGS, e.g. ARGS='-k health'.
	$(RUN) pytest $(ARGS)

.PHONY: lint
lint: $(VENV)/dev.installed ## Check format, style, types and imports.
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(VENV)/bin/lint-imports

.PHONY: check
check: lint test ## All that CI checks: lint, then test.

.PHONY: export
export: $(VENV)/export.installed ## Convert a checkpoint to a model directory. SOURCE, DESTINATION.
	@test -n '$(SOURCE)' -a -n '$(DESTINATION)' || \
		{ echo 'Usage: make export SOURCE=checkpoint DESTINATION=models/NAME' >&2; exit 2; }
	$(RUN) model_export convert '$(SOURCE)' '$(DESTINATION)'

.PHONY: bench
bench: build/bench/peers.installed ## Measure against the peers. ARGS, e.g. ARGS='quality --help'.
	build/bench/bin/python -m benchmarks $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/dev.installed ## Fuzz a running service by its OpenAPI document. PORT, CASES of each path, PATHS (a pattern).
	SCHEMATHESIS_HOOKS=tests.hostile.schemathesis_hooks $(VENV)/bin/schemathesis \
		--config-file tests/hostile/schemathesis.toml run \
		http://127.0.0.1:$(PORT)/openapi.json --max-examples $(CASES) --include-path-regex '$(PATHS)' \
		--checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
		--phases examples,coverage,fuzzing --continue-on-failure --suppress-health-check all --warnings off $(ARGS)

.PHONY: hostile
hostile: $(VENV)/dev.installed ## Send ten thousand hostile requests to a service of its own. ARGS='--count 1000'.
	$(RUN) tests.hostile $(ARGS)

.PHONY: openapi
openapi: $(VENV)/dev.installed ## Renew tests/data/openapi.json after a change of the API that is meant.
	$(RUN) tests.openapi_document

.PHONY: test-train
test-train: build/train/recipes.installed ## Run the tests of the training recipes. ARGS.
	build/train/bin/python -m pytest -o 'norecursedirs=.*' tests/training \
		tests/model_export/test_toolkits.py tests/model_export/test_toolkit_refusals.py \
		tests/model_export/test_pytorch_tutorial.py $(ARGS)

.PHONY: test-page
test-page: build/page/browser.installed ## Run the tests of the page in Chromium. ARGS.
	build/page/bin/python -m pytest -o 'norecursedirs=.*' tests/browser $(ARGS)

.PHONY: test-live
test-live: build/live/toolkits.installed build/optimum/exporter.installed \
		build/marian/marian.installed build/opennmt/toolkits.installed ## Make the goldens afresh and compare them. ARGS.
	build/live/bin/python -m pytest -o 'norecursedirs=.*' tests/live $(ARGS)

.PHONY: test-cluster
test-cluster: build/cluster/ray.installed ## Run the tests of the service on Ray, on simulated nodes. ARGS.
	build/cluster/bin/python -m pytest -o 'norecursedirs=.*' -W default tests/cluster $(ARGS)

.PHONY: containers
containers: build/containers/tools.installed ## Check docker/ and docker-compose.yml with linters.
	@docker/check build/containers/bin

.PHONY: inventory
inventory: build/inventory/tools.installed ## Size of the images and bills of materials, in build/inventory. FLAVOURS='cpu gpu'.
	@for flavour in $(or $(FLAVOURS),cpu gpu); do \
		docker/inventory $$flavour build/inventory/bin build/inventory/$$flavour.cdx.json || exit; done

# Pins stay as they are unless pyproject.toml rules them out; UPGRADE=1 takes the newest.
# Each file is locked within the one before it, so that what is tested is what is served.
COMPILE = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --annotation-style line \
	--custom-compile-command 'make lock' --overrides requirements/left-out.txt \
	$(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: build/lock/tools.installed ## Pin the dependencies of pyproject.toml in requirements/.
	@$(COMPILE) --extra cpu --extra otel -o requirements/cpu.txt pyproject.toml
	@$(COMPILE) --extra gpu --extra otel -c requirements/cpu.txt -o requirements/gpu.txt pyproject.toml
	@$(COMPILE) --extra cpu --extra otel --extra export -c requirements/cpu.txt -o requirements/export.txt \
		pyproject.toml
	@$(COMPILE) --extra dev -c requirements/export.txt -o requirements/dev.txt pyproject.toml
	@$(COMPILE) --extra cpu --extra otel --extra cluster -c requirements/dev.txt \
		-o requirements/cluster.txt pyproject.toml

.PHONY: clean
clean: ## Remove all that make installed and the tools' caches.
	rm -rf $(VENV) build .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment, in which each set adds to the one before: cpu, export, dev.
# --no-deps: the locks are complete but for what requirements/left-out.txt leaves out.
$(VENV)/%.installed: requirements/%.txt $(VENV)/bin/python
	@echo 'Installing $< into $(VENV)'
	@$(RUN) $(PIP_INSTALL) --no-deps --require-hashes -r $<
	@touch $@

build/lock/tools.installed: build/lock/bin/python Makefile
	@$< -m $(PIP_INSTALL) $(UV)
	@touch $@

# torch by itself first: what follows must not replace it by a newer one.
build/bench/peers.installed: requirements/dev.txt requirements/bench.txt build/bench/bin/python
	@echo 'Installing the peers of the benchmarks into build/bench'
	@build/bench/bin/python -m $(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	@build/bench/bin/python -m $(PIP_INSTALL) $$(grep '^torch==' requirements/bench.txt)
	@build/bench/bin/python -m $(PIP_INSTALL) -r requirements/bench.txt
	@touch $@

build/train/recipes.installed: requirements/dev.txt requirements/train.txt build/train/bin/python
	@echo 'Installing what training needs into build/train'
	@build/train/bin/python -m $(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	@build/train/bin/python -m $(PIP_INSTALL) $$(grep '^torch==' requirements/train.txt)
	@build/train/bin/python -m $(PIP_INSTALL) -r requirements/train.txt
	@touch $@

build/page/browser.installed: requirements/dev.txt requirements/page.txt build/page/bin/python
	@echo 'Installing what drives a browser into build/page'
	@build/page/bin/python -m $(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	@build/page/bin/python -m $(PIP_INSTALL) -r requirements/page.txt
	@touch $@

build/cluster/ray.installed: requirements/dev.txt requirements/cluster.txt build/cluster/bin/python
	@echo 'Installing Ray into build/cluster'
	@build/cluster/bin/python -m $(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	@build/cluster/bin/python -m $(PIP_INSTALL) --no-deps --require-hashes -r requirements/cluster.txt
	@touch $@

build/live/toolkits.installed: requirements/dev.txt requirements/live.txt build/live/bin/python
	@echo 'Installing the toolkits that goldens are made with into build/live'
	@build/live/bin/python -m $(PIP_INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	@build/live/bin/python -m $(PIP_INSTALL) $$(grep '^torch==' requirements/live.txt)
	@build/live/bin/python -m $(PIP_INSTALL) -r requirements/live.txt
	@touch $@

build/optimum/exporter.installed: requirements/optimum.txt build/optimum/bin/python
	@echo 'Installing the exporter of optimum into build/optimum'
	@build/optimum/bin/python -m $(PIP_INSTALL) $$(grep '^torch==' requirements/optimum.txt)
	@build/optimum/bin/python -m $(PIP_INSTALL) -r requirements/optimum.txt
	@touch $@

build/marian/marian.installed: requirements/marian.txt build/marian/bin/python
	@echo 'Installing Marian into build/marian'
	@build/marian/bin/python -m $(PIP_INSTALL) -r $<
	@touch $@

# Without dependencies: the toolkits ask for other versions of torch. fairseq, which does not build with
# today's Python, is only unpacked.
build/opennmt/toolkits.installed: requirements/opennmt.txt build/opennmt/bin/python
	@echo 'Installing OpenNMT-py, Eole and fairseq into build/opennmt'
	@build/opennmt/bin/python -m $(PIP_INSTALL) $$(grep '^torch==' $<)
	@build/opennmt/bin/python -m $(PIP_INSTALL) --no-deps -r $<
	@rm -rf build/fairseq && mkdir build/fairseq
	@build/opennmt/bin/python -m pip download --quiet --no-deps --no-build-isolation --no-binary fairseq \
		--dest build/fairseq fairseq==0.12.2
	@tar --extract --gzip --strip-components 1 --directory build/fairseq --file build/fairseq/fairseq-0.12.2.tar.gz
	@touch $@

build/containers/tools.installed: docker/check-requirements.txt build/containers/bin/python
	@echo 'Installing $< into build/containers'
	@build/containers/bin/python -m $(PIP_INSTALL) -r $<
	@touch $@

build/inventory/tools.installed: docker/inventory-requirements.txt build/inventory/bin/python
	@echo 'Installing $< into build/inventory'
	@build/inventory/bin/python -m $(PIP_INSTALL) -r $<
	@touch $@

$(VENV)/bin/python build/lock/bin/python build/containers/bin/python build/bench/bin/python \
		build/train/bin/python build/live/bin/python build/optimum/bin/python build/page/bin/python \
		build/marian/bin/python build/opennmt/bin/python build/inventory/bin/python \
		build/cluster/bin/python: %/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo '$(PYTHON) lacks venv: install it (Debian, Ubuntu: apt install python3-venv)' >&2; exit 1; }
	@$(PYTHON) -m venv --clear $*
