# Every habit of the project by name. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Build outputs and caches live outside the tree: a fresh clone starts warm, and `git clean` costs nothing.
export ENTREPOT_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/entrepot
export CARGO_TARGET_DIR ?= $(ENTREPOT_CACHE)/target
export ENTREPOT_TOOLS ?= $(ENTREPOT_CACHE)/bin

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
KIND := cargo run --quiet --package entrepot-kind-tests --bin kind-tests --
# The same program as the images' build leaves it.
DEMO := $(ENTREPOT_CACHE)/demo/kind-tests

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z.-]+):.*## /\1\t/' | sort | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: check
check: lint ## the inner loop: lint, unit, golden, router
	cargo test --workspace --quiet

.PHONY: lint
lint: ## formatting and lints, warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings
	@# `--all-targets` leaves out the tests that a plain `cargo test` leaves out.
	cargo clippy --workspace --test '*' --quiet -- --deny warnings

.PHONY: test
test: ## the whole gate: check, real clients, a real apiserver, a real cluster
	.ci/test

.PHONY: demo
demo: images ## from nothing to Pods that run images pulled out of a managed registry
	$(DEMO) demo

.PHONY: demo-down
demo-down: | $(DEMO) ## take the demo's cluster away; only the caches stay
	$(DEMO) down

$(DEMO):
	deploy/images/build

.PHONY: generate
generate: ## write what follows from the code: the definitions, their copy in the chart, deploy/install.yaml
	cargo run --quiet --package entrepot-crds --bin crdgen
	install -m 0644 crds/*.yaml deploy/chart/files/
	$(KIND) tools helm > /dev/null
	deploy/render "$(ENTREPOT_TOOLS)/helm" > deploy/install.yaml.new
	mv deploy/install.yaml.new deploy/install.yaml

.PHONY: images
images: ## build the images of the operator and the registry into $ENTREPOT_CACHE/images
	deploy/images/build

.PHONY: push
push: ## push the images: make push PREFIX=registry.example.com/entrepot
	deploy/images/build push "$(PREFIX)"

.PHONY: install.yaml
install.yaml: ## write install.yaml for images that were pushed: make install.yaml PREFIX=registry.example.com/entrepot
	@deploy/images/prefix "$(PREFIX)" < deploy/install.yaml > install.yaml.new && mv install.yaml.new install.yaml \
	  || { rm -f install.yaml.new; exit 1; }
	@echo "kubectl apply --server-side -f install.yaml"
