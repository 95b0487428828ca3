# meshctl: a menu. `make` alone prints it.
SHELL := /bin/sh
PYTHON := .venv/bin/python
JAIL := $(PYTHON) -m meshctl.lab.jail --

# What measures time has the machine to itself; the rest runs two at a time, labs file by file.
SIDE_BY_SIDE := tests/test_*.py tests/quota tests/commons tests/agent tests/portal tests/hub tests/privacy tests/doctor
ALONE := tests/kernel
LABS := tests/lab

.PHONY: menu demo test lint test-journeys test-browser test-deploy bench docs-figures catalogues docs-pictures check lock clean

menu: ## print this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: ## three nodes and their phones tell what they can stand; stays until Ctrl-C (EXIT=1 ends it)
	@tools/setup demo
	@exec $(PYTHON) -m meshctl lab demo $(if $(EXIT),--exit)

test: ## lint, types, rooms, then every quick test, on the real kernel in namespaces of its own
	@tools/setup test
	@$(MAKE) --no-print-directory lint
	@$(JAIL) $(PYTHON) -m pytest $(or $(ONLY),-n 2 --dist worksteal $(SIDE_BY_SIDE))
	@$(if $(ONLY),,$(JAIL) $(PYTHON) -m pytest $(ALONE))
	@$(if $(ONLY),,$(JAIL) $(PYTHON) -m pytest -n 2 --dist loadfile $(LABS))

lint: ## ruff, mypy strict, import contracts
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet .
	@$(PYTHON) -m mypy
	@$(PYTHON) -c "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(verbose=False))"

test-journeys: ## the acceptance claims on real labs: visitors, ledger, shares, kills, a mesh (minutes)
	@tools/setup journeys
	@$(JAIL) $(PYTHON) -m pytest tests/journeys $(if $(ONLY),-m "$(ONLY)")

test-browser: ## every page in a phone's browsers, in every language, with a keyboard, in the dark (minutes)
	@tools/setup browser
	@$(JAIL) $(PYTHON) -m pytest tests/browser

test-deploy: ## put it on a booted Debian 12 by Ansible, twice, and join through it (root; minutes)
	@tools/setup deploy
	@$(PYTHON) -m tests.deploy.run

bench: ## print ratios, measured side by side in one run
	@tools/setup test
	@for one in forward tick memory join door mesh; do $(JAIL) $(PYTHON) -m bench.$$one || exit 1; done

docs-figures: ## make the figures and pictures of docs/fair-share.md anew, by the commands that stand there
	@$(PYTHON) -m tests.figures

catalogues: ## bring the pages' languages up to date with their English sources
	@$(PYTHON) -m tests.catalogues

docs-pictures: ## take the pictures of docs/portal.md anew, in a phone of a lab
	@tools/setup browser
	@$(JAIL) $(PYTHON) -m tests.browser.pictures

check: test test-journeys test-browser test-deploy ## all of it
	@$(MAKE) --no-print-directory demo EXIT=1

lock: ## pin every dependency with its hash (needs uv)
	@uv pip compile pyproject.toml --extra hub --extra hub-postgres --extra dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.lock

clean: ## remove what setup made here
	@rm -rf .venv .venv.deploy .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
