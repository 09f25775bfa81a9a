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

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z.-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z.-]+):.*## /\1\t/' | sort | awk -F'\t' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: check
check: lint ## the inner loop: lint, unit, golden, router
	cargo test --workspace --quiet

.PHONY: lint
lint: ## formatting and lints, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- --deny warnings

.PHONY: test
test: ## the whole gate: check, real clients, a real apiserver, a real cluster
	.ci/test
