# make run, make test, make bench, make dist. Each brings what it needs itself
# (scripts/setup.sh), which takes minutes once and no time after that.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test bench dist screens

# Where `make run` serves the page; with TLS_CERT and TLS_KEY, PEM files both, by
# https (docs/classroom.md).
ADDRESS ?= 127.0.0.1
PORT ?= 8080
TLS_CERT ?=
TLS_KEY ?=
TLS := $(if $(TLS_CERT),--tls-cert-path "$(TLS_CERT)" --tls-key-path "$(TLS_KEY)")

TRUNK := scripts/with-tools.sh trunk
# What is tested or measured is built here: `make run` builds and serves dist/, maybe now.
TESTED := target/dist-test
# Lints while it compiles: see there.
LINT := RUSTC_WORKSPACE_WRAPPER="$(CURDIR)/scripts/clippy-rustc.sh"

define headline
@printf '\n=== %s\n' "$(1)"
endef

help: ## What there is
	@awk -F ":.*## " '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Builds the page and serves it (ADDRESS=127.0.0.1 PORT=8080)
	@! (exec 3<>/dev/tcp/$(ADDRESS)/$(PORT)) 2>/dev/null || \
		{ echo "Something is served on $(ADDRESS):$(PORT) already. Please choose another port: make run PORT=8081" >&2; exit 1; }
	$(call headline,Looking for what is needed)
	@scripts/setup.sh build
	$(call headline,Building the page (three quarters of an hour the first time on 2 cores) to serve it on $(if $(TLS),https,http)://$(ADDRESS):$(PORT)/)
	@# trunk alone would serve what there was before, or nothing, where it cannot build.
	@$(TRUNK) build --release
	@$(TRUNK) serve --release --address $(ADDRESS) --port $(PORT) $(TLS)

test: ## Formatting, lints, and every test, those in the browser included
	$(call headline,Looking for what is needed)
	@scripts/setup.sh build test dist
	$(call headline,Formatting and scripts)
	cargo fmt --check
	@scripts/check-scripts.sh
	$(call headline,Library and command line: lints and tests)
	$(LINT) cargo test --locked
	$(call headline,The page's own code: lints and tests)
	$(LINT) cargo test --locked --no-default-features --features page --lib --profile quick
	$(call headline,Page and engine: lints and release build)
	$(LINT) $(TRUNK) build --release --dist $(TESTED)
	$(call headline,What a visitor downloads)
	@rm -rf target/compressed && cp -r $(TESTED) target/compressed && scripts/compress.sh target/compressed
	$(call headline,Tests in the browser)
	$(LINT) NEEDLEDROP_DIST="$(CURDIR)/$(TESTED)" cargo test --locked --test browser -- --test-threads=1

bench: ## Measures the front end (criterion), and the network beside other engines in Chromium
	$(call headline,Looking for what is needed)
	@scripts/setup.sh build test bench
	$(call headline,Front end)
	cargo bench --locked
	$(call headline,Building the page)
	@$(TRUNK) build --release --dist $(TESTED)
	$(call headline,Network in Chromium)
	@scripts/bench-peers.sh $(TESTED)

screens: ## Draws every view anew into docs/screens
	$(call headline,Looking for what is needed)
	@scripts/setup.sh build test
	$(call headline,Building the page)
	@$(TRUNK) build --release --dist $(TESTED)
	$(call headline,Drawing the views)
	NEEDLEDROP_DIST="$(CURDIR)/$(TESTED)" cargo test --locked --test browser -- --ignored screens

dist: ## Builds dist/, which any static host can serve, with compressed copies
	$(call headline,Looking for what is needed)
	@scripts/setup.sh build dist
	$(call headline,Building the page)
	@$(TRUNK) build --release
	$(call headline,Compressing)
	@scripts/compress.sh dist

