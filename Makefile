# Front of the Meson build. `make help` lists the targets.
BUILD ?= build
PREFIX ?= /usr/local
MESON_ARGS ?=

.PHONY: all run test test-kvm agent-arm64 bench kernels install deb tarball sdk clean help

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja:
	@scripts/install-packages.sh build rootfs
	@meson setup $(BUILD) --prefix=$(PREFIX) -Dtests=false $(MESON_ARGS) >/dev/null

run: ## install what is missing, build, run a command in a sandbox
	@scripts/install-packages.sh build rootfs
	@$(MAKE) --no-print-directory all
	$(BUILD)/msb run busybox -- \
		sh -c 'echo "hello from $$(uname -sr), process $$$$ of a machine of its own"'

test: ## install what tests need, build with warnings as errors, run every suite
	@scripts/install-packages.sh build rootfs arm64 package sdk test
	@scripts/install-packages.sh --unless /usr/include/node/node_api.h node
	@scripts/install-packages.sh --unless /usr/bin/npm npm
	@/usr/bin/python3 scripts/run_tests.py $(TESTS)

test-kvm: ## every functional and unit test in a machine with emulated KVM
	@scripts/install-packages.sh build rootfs test
	@/usr/bin/python3 scripts/run_tests.py kvm-full

agent-arm64: ## cross-compile the guest agent to build-arm64/agentd
	@scripts/install-packages.sh arm64
	@test -e build-arm64/build.ninja || meson setup build-arm64 -Dagent_only=true \
		--cross-file=scripts/aarch64-linux-gnu.ini >/dev/null
	@ninja -C build-arm64 --quiet
	@aarch64-linux-gnu-strip -o build-arm64/agentd build-arm64/src/agent/agentd

bench: ## measure; see bench/README.md
	@scripts/install-packages.sh build rootfs bench
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 bench/bench.py --build $(BUILD) $(BENCH)

kernels: ## rebuild the guest kernels from the Debian source package
	@scripts/install-packages.sh kernels
	@kernel/build.sh

install: all ## install below PREFIX (default /usr/local)
	@meson configure $(BUILD) -Dprefix=$(PREFIX) >/dev/null
	@meson install -C $(BUILD) --quiet

deb: ## make the Debian packages in BUILD/dist
	@scripts/install-packages.sh build rootfs package
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 packaging/deb.py --build $(BUILD)

tarball: ## make the static tarball in BUILD/dist, with SHA256SUMS and latest
	@scripts/install-packages.sh build rootfs package
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 packaging/tarball.py --build $(BUILD)

sdk: ## make the Python wheel and the npm package in BUILD/sdk
	@scripts/install-packages.sh build rootfs package sdk
	@scripts/install-packages.sh --unless /usr/include/node/node_api.h node
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 scripts/build-sdk.py --build $(BUILD)

clean:
	rm -rf build build-*

help:
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile
