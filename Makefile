# Everything here needs a Rust toolchain and what every Unix has.

CARGO = cargo
TARGET = $${CARGO_TARGET_DIR:-target}

# Both programs, into this directory. Cargo knows what is up to date.
all:
	$(CARGO) build --release --locked
	cp -f "$(TARGET)/release/coordinator" "$(TARGET)/release/participant" .

clean:
	rm -f coordinator participant
	$(CARGO) clean

demo: all
	sh tests/demo.sh ./coordinator ./participant

test:
	$(CARGO) test --locked --all-targets
	$(CARGO) test --locked --doc

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(MAKE) test
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

help:
	@echo "make        build ./coordinator and ./participant"
	@echo "make demo   a coordinator and three participants show what they do"
	@echo "make test   run all tests"
	@echo "make check  formatting, lints, tests, documentation: what a change must pass"
	@echo "make clean  remove what was built"

.PHONY: all clean demo test check help
