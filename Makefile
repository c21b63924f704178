# The front door. `make` alone says what there is. Nothing here needs more than Debian 12 with Rust; what is
# missing is installed by `make deps` (as root).

CARGO ?= cargo
SEEDS ?= 20000
# Tests of real daemons at a time: each mostly waits.
ITESTS ?= 3
DESTDIR ?=
PREFIX ?= /usr

.PHONY: help deps build release demo test test-long verify fix unit itest sim soak fuzz bench doc deny install clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install the packages that build and tests need (root)
	@conf/packaging/deps

build: deps ## debug build of everything
	$(CARGO) build --workspace --all-targets --locked

release: deps ## optimised programs in target/release
	$(CARGO) build --release --locked --workspace --bins

demo: release ## a three-node cluster on this machine, a record that migrates, a node that dies
	$(CARGO) run --release --locked -p ctdb-itests --bin demo

test: deps ## everything a change must pass, under 20 minutes on two cores
	$(MAKE) verify
	$(MAKE) unit
	$(MAKE) sim
	$(MAKE) itest

verify: ## format, lints, documentation, dependencies; writes nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked
	conf/packaging/deny

fix: ## what a tool can put right
	$(CARGO) fmt --all
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty

unit: ## unit tests, planner tables, shells
	$(CARGO) test --locked --workspace --exclude ctdb-sim --exclude ctdb-itests

sim: ## the simulator: 1,000 seeds and its own tests (protocol and simulator are optimised in debug builds too)
	$(CARGO) test --locked -p ctdb-sim

itest: ## real daemons in network namespaces, Debian's tools (root)
	$(CARGO) build --locked --workspace --bins
	itests/run $(ITESTS)

test-long: ## 16 nodes, comparisons with Debian's ctdbd, more of everything
	CTDB_LONG=1 $(MAKE) itest
	$(CARGO) run --locked -p ctdb-sim --bin simulate -- --count $(SEEDS)

soak: ## the simulator until interrupted
	@seed=1000000; while :; do $(CARGO) run --locked -p ctdb-sim --bin simulate -- \
		--seed $$seed --count 1000 || exit 1; seed=$$((seed + 1000)); done

fuzz: ## a million mutated frames at both doors (root)
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked -p ctdb-itests --test hostile -- --ignored --test-threads=1

bench: release ## figures beside Debian's ctdbd (root)
	nice -n -20 $(CARGO) run --release --locked -p ctdb-itests --bin bench-rates
	$(CARGO) run --release --locked -p ctdb-itests --bin bench-rates -- --nodes 3 --busy 8
	$(CARGO) run --release --locked -p ctdb-itests --bin bench
	$(CARGO) run --release --locked -p ctdb-itests --bin bench-failover -- --addresses 32,900
	$(CARGO) run --release --locked -p ctdb-itests --bin recovery-bench
	$(CARGO) run --release --locked -p ctdb-itests --bin bench-locks
	$(CARGO) run --release --locked -p ctdb-itests --bin bench-crowd

doc: ## API documentation
	$(CARGO) doc --workspace --no-deps --locked

deny: ## licences and advisories of the dependencies
	conf/packaging/deny

install: release ## programs and configuration below DESTDIR
	conf/packaging/install "$(DESTDIR)" "$(PREFIX)"

clean: ## remove the build tree
	$(CARGO) clean
