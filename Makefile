# The front door. `make` alone lists the targets.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
# The tools `make test` brings along live inside the checkout.
export PATH := $(CURDIR)/target/tools/bin:$(HOME)/.cargo/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo test bench fmt lint deny install uninstall deps build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## SMS in and out over four virtual modems, no hardware needed
	@target/release/smsgate demo --dir target/demo

build: ## the release binary, target/release/smsgate
	@scripts/setup build
	$(CARGO) build --locked --release

test: ## install what is missing, then run every check and every test
	@scripts/setup
	@scripts/check

bench: ## the benchmarks
	@scripts/setup
	$(CARGO) bench --locked

fmt: ## format the sources
	$(CARGO) fmt --all

lint: ## clippy, warnings are errors
	$(CARGO) clippy --locked --all-targets -- -D warnings

deny: ## licences, bans and sources of the dependencies
	$(CARGO) deny --log-level error check licenses bans sources

deps: ## install what building and testing need (Debian packages, Rust, Python environment)
	@scripts/setup

install: build ## the binary and its links to $(DESTDIR)$(PREFIX)/bin
	install -D -m 755 target/release/smsgate $(DESTDIR)$(PREFIX)/bin/smsgate
	for link in smsgate-client check_smsgate munin_smsgate; do ln -sf smsgate $(DESTDIR)$(PREFIX)/bin/$$link; done

uninstall: ## remove what install put there
	for name in smsgate smsgate-client check_smsgate munin_smsgate; do rm -f $(DESTDIR)$(PREFIX)/bin/$$name; done
