# The front door. `make` alone lists the targets.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
# The tools `make test` brings along live inside the checkout.
# Tests call sfdisk, mkfs.ext4 and the like, which who is not root does not find by himself.
export PATH := $(CURDIR)/target/tools/bin:$(HOME)/.cargo/bin:$(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-peers hostile soak fuzz fault mutants breaks fmt lint deny install uninstall deps build \
	package-files deb sbom licences cross cross-tests cross-test test-image boot image-test image defconfig-check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## SMS in and out over four virtual modems, no hardware needed
	@target/release/smsgate demo --dir target/demo

# With cargo-auditable there, the binary carries the list of what it was built from.
AUDITABLE = $(shell $(CARGO) auditable --version >/dev/null 2>&1 && echo auditable)

build: ## the release binary, target/release/smsgate
	@scripts/setup build
	$(CARGO) $(AUDITABLE) build --locked --release

test: ## install what is missing, then run every check and every test
	@scripts/setup
	@scripts/check

# RIG: C cuts the power in recorded writes, E lets system calls fail, F lets modems misbehave, K kills, R cuts the power while
# the store forgets, T lets the clock jump. SEED and POINTS choose which points and how many; POINT (of rigs C, E and R) and
# RECORDING (of C) are one of them alone, as a failed run names it.
RIG ?= C
FAULT_C = SMSGATE_FAULT_RECORDING=$(RECORDING) $(CARGO) test --locked --test fault crash:: -- --show-output
FAULT_E = $(CARGO) test --locked --test fault errors:: -- --show-output
FAULT_F = $(CARGO) test --locked --test fault modems:: -- --show-output
FAULT_R = $(CARGO) test --locked --test fault retention:: -- --show-output
FAULT_K = SMSGATE_KILL_SEED=$(SEED) SMSGATE_KILL_ROUNDS=$(POINTS) $(CARGO) test --locked --test kill -- --show-output
FAULT_T = $(CARGO) test --locked --test day jumps:: -- --nocapture
fault: ## a fault rig (RIG=C|E|F|K|R|T SEED= POINTS=): power cuts, failing calls, bad modems, kills, clock jumps
	@scripts/setup
	SMSGATE_FAULT_SEED=$(SEED) SMSGATE_FAULT_POINTS=$(POINTS) SMSGATE_FAULT_POINT=$(POINT) $(FAULT_$(RIG))

bench: ## the benchmarks (some minutes); single paths are compared with the run before
	@scripts/setup
	$(CARGO) bench --locked --no-fail-fast
	@echo "The figures of single paths are kept in target/criterion, as estimates.json in a folder each."

# MODEMS RUNS SMS PROBES IDLE PATIENCE CASES LINE PEERS: sizes and choices, of which benches/peers/plan.rs knows the usual
# ones. All of it takes hours; MODEMS=1,4 RUNS=1 SMS=50 LINE=instant IDLE=2 is a look.
bench-peers: build ## this daemon beside gammu-smsd and smstools (MODEMS= RUNS= SMS= LINE= ...), to target/bench-peers
	@scripts/setup bench-peers
	SMSGATE_BINARY="$(CURDIR)/target/release/smsgate" MODEMS="$(MODEMS)" RUNS="$(RUNS)" SMS="$(SMS)" PROBES="$(PROBES)" \
		IDLE="$(IDLE)" PATIENCE="$(PATIENCE)" CASES="$(CASES)" LINE="$(LINE)" PEERS="$(PEERS)" \
		$(CARGO) bench --locked --bench peers

hostile: build ## every attack of tests/hostile at full size, some minutes with nothing else running
	@scripts/setup
	SMSGATE_HOSTILE=full SMSGATE_BINARY="$(CURDIR)/target/release/smsgate" \
		$(CARGO) test --locked --test hostile -- --nocapture --test-threads 1

# IN and OUT: texts an hour; FAULT: seconds between two faults of modems. A day is MINUTES=1440.
soak: build ## a busy pool for MINUTES (120) with faults all the time (SEED= IN= OUT= FAULT=), to target/soak
	@scripts/setup
	SMSGATE_BINARY="$(CURDIR)/target/release/smsgate" SMSGATE_SOAK_MINUTES=$(or $(MINUTES),120) SMSGATE_SOAK_SEED=$(SEED) \
		SMSGATE_SOAK_IN=$(IN) SMSGATE_SOAK_OUT=$(OUT) SMSGATE_SOAK_FAULT=$(FAULT) \
		$(CARGO) test --locked --test soak -- --nocapture

fuzz: ## each grammar fuzzed for MINUTES (1), JOBS (2) at a time (SEED=); TARGET= is one of fuzz/targets.txt alone
	@scripts/setup fuzz
	@scripts/fuzz

# SHARD: of n shares of the room the k-th, from 0, as in 2/8. AGAIN=1 tries only those that no run has noticed yet.
mutants: ## a room's code with one small error after the other, which its tests must notice (ROOM= SHARD= AGAIN=)
	@scripts/setup mutants
	@scripts/mutants "$(ROOM)"

breaks: ## each change of tests/breaks put into the code, which its rig must notice (BREAK= is one of them alone)
	@scripts/setup
	@scripts/breaks $(BREAK)

fmt: ## format the sources
	$(CARGO) fmt --all
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml

lint: ## clippy, warnings are errors
	$(CARGO) clippy --locked --all-targets -- -D warnings

deny: ## licences, bans and sources of the dependencies
	$(CARGO) deny --log-level error check licenses bans sources

deps: ## install what building and testing need (Debian packages, Rust, Python environment)
	@scripts/setup

# Manual pages, completions: what the binary knows about itself.
package-files: build ## the binary with its manual pages and completions, for install
	rm -rf target/package/man target/package/completions target/package/links
	mkdir -p target/package/completions target/package/links
	for link in smsgate-client check_smsgate munin_smsgate; do ln -s smsgate target/package/links/$$link || exit 1; done
	target/release/smsgate manual target/package/man
	for shell in bash zsh fish; do target/release/smsgate completions $$shell >target/package/completions/$$shell || exit 1; done

# As root, so that it builds only what is not there: root may have no Rust.
install: ## everything but the configuration, under $(DESTDIR)$(PREFIX)
	@[ -e target/package/man/smsgate.1 ] || $(MAKE) --no-print-directory package-files
	scripts/install "$(DESTDIR)" "$(PREFIX)"

uninstall: ## remove what install put there
	scripts/install --remove "$(DESTDIR)" "$(PREFIX)"

# Compiled by Debian's rustc, in a folder of its own: two compilers in one would build everything anew at each change.
ARM = aarch64-unknown-linux-gnu
ARM_CARGO = env RUSTC="$$(dpkg -L rustc-web | grep -m 1 'bin/rustc$$')" $(CARGO) --config cross.toml
ARM_OPTIONS = --locked --release --target $(ARM) --target-dir target/cross

# The pure rooms; the system calls by number and the filter made of them; TLS from end to end, and the database, but
# not the tests of durability: they start themselves as another program, which this machine cannot run, or count on time.
ARM_TESTS = at:: balance:: config:: model:: router:: self_test:: tpdu:: trace:: ussd:: \
	sandbox::calls:: sandbox::filter:: tls:: store:: provision:: --skip store::tests::durability

cross: ## the daemon for 64-bit ARM, to target/cross/aarch64-unknown-linux-gnu/release
	@scripts/setup cross
	$(ARM_CARGO) build $(ARM_OPTIONS)

cross-tests: cross
	$(ARM_CARGO) test $(ARM_OPTIONS) --lib --no-run

cross-test: cross-tests ## what needs no device of that, on an emulated processor
	timeout 1200 $(ARM_CARGO) test $(ARM_OPTIONS) --lib -- $(ARM_TESTS)
	scripts/test-cross target/cross/$(ARM)/release/smsgate

# The test image: the appliance's files on a root of Debian's packages, for QEMU. ARCH= is one of the two alone.
ARCH ?= x86_64 aarch64
TEST_IMAGES = $(ARCH:%=test-image-%)
.PHONY: $(TEST_IMAGES)

test-image: $(TEST_IMAGES) ## the TEST image for ARCH (both: x86_64, aarch64), to target/test-image/ARCH

test-image-x86_64: build
	@scripts/setup image-test
	@scripts/test-image x86_64 target/test-image/x86_64 target/release/smsgate

test-image-aarch64: cross
	@scripts/setup image-test
	@scripts/test-image aarch64 target/test-image/aarch64 target/cross/$(ARM)/release/smsgate

boot: ARCH = x86_64
boot: build ## the test image for ARCH on this terminal, with four USB modems and its port 7000 on PORT
	@$(MAKE) --no-print-directory test-image ARCH=$(ARCH)
	@tests/image/boot $(ARCH)

# Two machines at a time on the processors that there are; beside them the one that only waits; alone those that are timed.
IMAGE_TEST = $(CARGO) test --locked --test image
image-test: test-image-x86_64 test-image-aarch64 ## the tests of the appliance as a whole, in virtual machines
	@scripts/setup
	$(IMAGE_TEST) --no-run
	$(IMAGE_TEST) -- --test-threads 1 --show-output start:: modems::
	$(IMAGE_TEST) idle:: -- --show-output & idle=$$!; \
	$(IMAGE_TEST) -- --test-threads 2 --show-output --skip idle:: --skip start:: --skip modems::; others=$$?; \
	wait $$idle && exit $$others

sbom: ## what is in the binary, as CycloneDX, to target/package/smsgate.cdx.json
	@scripts/setup release
	mkdir -p target/package
	$(CARGO) cyclonedx --format json --spec-version 1.5 --target x86_64-unknown-linux-gnu \
		--override-filename smsgate.cdx --quiet
	sed 's#path+file://$(CURDIR)#path+file://.#' smsgate.cdx.json >target/package/smsgate.cdx.json
	rm smsgate.cdx.json

licences: ## the licence of each dependency, to target/package/licences.txt
	@scripts/setup release
	mkdir -p target/package
	$(CARGO) deny --log-level error list --layout license --format human >target/package/licences.txt

deb: ## a Debian package, to target/debian
	@scripts/setup release
	$(MAKE) --no-print-directory sbom licences package-files
	$(CARGO) deb --no-build --locked
	@ls -l target/debian/*.deb

image: ## the appliance's image for BOARD (rpi4, rpi5, qemu-x86_64, qemu-aarch64), to out/BOARD
	@scripts/setup image
	@scripts/image "$(BOARD)"

defconfig-check: ## what Buildroot (BUILDROOT=DIR) says to the image's configurations
	@scripts/defconfig-check "$(BUILDROOT)"
