# The commands of the house. `make help` lists them; each installs what it needs and is not there.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check bench dns-bench drills dns-drills odd-zones drill-alerts deny deb deb-twice drill-deb clean

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build quickly, then run the whole edge with the bundled shop on 127.0.0.1
	@packaging/dev/install.sh build
	cargo build --profile demo -p seawall -p origin-demo
	@exec $(TARGET_DIR)/demo/seawall demo --state .demo

test: ## Formatting, lints, every test, end to end with the built daemon; what CI runs
	@tests/run.sh

check: ## Formatting, lints and the crates' own tests, without the end to end tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace --exclude seawall-tests

bench: ## nginx and us side by side: CPU per request, memory of idle connections
	@packaging/dev/install.sh build bench
	cargo build --release -p seawall
	@python3 tests/benches/edge/run.py --seawall $(TARGET_DIR)/release/seawall $(BENCH)

dns-bench: ## NSD, Knot DNS and us side by side: CPU per query; make dns-bench BENCH=--quick
	@packaging/dev/install.sh build test dns
	cargo build --release -p seawall
	@python3 tests/benches/dns/run.py --seawall $(TARGET_DIR)/release/seawall $(BENCH)

drills: ## Under load: servers die, 1,000 reloads, 10,000 sites, 100 upgrades, 100 kills: tables of figures; make drills DRILL=kills for one
	@packaging/dev/install.sh build test
	cargo build --release -p seawall -p seawall-tests --bin seawall --bin drills
	@$(TARGET_DIR)/release/drills $(DRILL)

drill-alerts: ## An alert fires and resolves: Prometheus, Alertmanager and a receiver of Slack's shape
	@packaging/dev/install.sh build test
	cargo build --release -p seawall
	@packaging/drill/alerts.sh $(TARGET_DIR)/release/seawall

dns-drills: ## DNS: failover, answers by place, a flood, latencies beside NSD, keys that roll, with figures; DRILLS=rollover for one
	@packaging/dev/install.sh build test dns
	cargo build --release -p seawall
	@python3 tests/suites/dns_drills.py --seawall $(TARGET_DIR)/release/seawall $(DRILLS)

odd-zones: ## Many small odd zones, asked of us and of NSD, Knot DNS and BIND: make odd-zones ODD="--seed 2 --sign nsec3"
	@packaging/dev/install.sh build test dns
	cargo build -p seawall
	@python3 tests/suites/odd_zones/run.py --seawall $(TARGET_DIR)/debug/seawall $(ODD)

deny: ## Advisories, licences and bans of the dependencies (installs cargo-deny, which takes minutes)
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny check

deb: ## The Debian package, in target/deb: the same bytes for the same sources
	@packaging/dev/install.sh build deb
	@packaging/build-deb.sh $(DEB)

deb-twice: ## The package built twice from nothing: the bytes must be the same (two release builds)
	@packaging/dev/install.sh build deb
	@packaging/deb-twice.sh

drill-deb: ## Root: the life of two packages in a minimal Debian: make drill-deb OLD=... NEW=...
	@packaging/drill/chroot.sh "$(OLD)" "$(NEW)"

clean: ## Remove what was built and the demo's state
	cargo clean
	rm -rf .demo
