# SPDX-License-Identifier: Apache-2.0
# The verbs people type. CMake and the scripts do the work.

PREFIX ?= /usr/local
TIME ?= 60
BINDIR = $(DESTDIR)$(PREFIX)/bin
DATADIR = $(DESTDIR)$(PREFIX)/share
APPLETS = cc-runtime cc-shim cc-proxy cc-vmm cc-agent
# To the scripts as it was typed, dollar signs and quotes included.
override export CMD := $(value CMD)
export TIME

.DEFAULT_GOAL := all
.PHONY: all tests run demo-docker test bench fuzz kernel qemu image install clean format lint help

## all: release build: build/clear-containers, build/bin/cc-*
all: build/build.ninja
	@cmake --build build --target clear-containers manuals mkpfn
	@strip -o build/clear-containers.stripped build/clear-containers && \
	 echo "build/clear-containers: $$(stat -c %s build/clear-containers.stripped) bytes stripped"

build/build.ninja:
	@command -v cmake >/dev/null || \
	 { echo "cmake is missing; packaging/install-deps.sh build installs what a build takes" >&2; exit 1; }
	@cmake --preset release

## run: a container in a virtual machine, from nothing; CMD='sh' for a shell in it
run:
	@packaging/install-deps.sh build run
	@$(MAKE) --no-print-directory all image
	@image/run-demo.sh

## demo-docker: a private dockerd with cc-runtime as default runtime, and containers that show what it does
demo-docker:
	@packaging/install-deps.sh build run engines
	@$(MAKE) --no-print-directory all image
	@image/demo-docker.sh

## test: every test, with all set-up; the last line counts
test:
	@packaging/install-deps.sh build run test engines
	@$(MAKE) --no-print-directory all tests image
	@tests/run.sh

# tests: builds the test programs.
tests: build/build.ninja
	@cmake --build build

## bench: measures, beside runc and crun
bench:
	@packaging/install-deps.sh build run test engines bench
	@$(MAKE) --no-print-directory all image
	@bench/run.sh

## fuzz: all fuzz targets, TIME=60 seconds in all
fuzz:
	@packaging/install-deps.sh build fuzz
	@fuzz/run.sh

## kernel: builds the tuned guest kernel (10 to 15 minutes, once), used from then on
kernel:
	@packaging/install-deps.sh kernel
	@image/kernel/build.sh
	@[ ! -x build/clear-containers ] || $(MAKE) --no-print-directory image

## qemu: builds a small QEMU that clones share translated code in (5 to 10 minutes, once), used from then on under emulation
qemu:
	@packaging/install-deps.sh run qemu
	@vmm/qemu/own/build.sh
	@[ ! -x build/clear-containers ] || $(MAKE) --no-print-directory image

## image: the guest's files: build/share/clear-containers
image: all
	@image/build.sh build

## install: into DESTDIR and PREFIX=/usr/local
install: image
	install -d $(BINDIR) $(DATADIR)/clear-containers
	install -s -m 755 build/clear-containers $(BINDIR)/clear-containers
	for applet in $(APPLETS); do ln -sfn clear-containers $(BINDIR)/$$applet; done
	for file in build/share/clear-containers/*; do \
	    cp --sparse=always "$$file" $(DATADIR)/clear-containers/ && chmod 644 "$(DATADIR)/clear-containers/$${file##*/}" || exit 1; \
	done
	install -D -m 644 packaging/configuration.toml.in $(DATADIR)/defaults/clear-containers/configuration.toml
	[ ! -e build/libexec/clear-containers/cc-qemu ] || \
	    install -D -m 755 build/libexec/clear-containers/cc-qemu $(DESTDIR)$(PREFIX)/libexec/clear-containers/cc-qemu
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in packaging/systemd/*; do \
	    sed 's|/usr/bin/|$(PREFIX)/bin/|' "$$unit" >"$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}" || exit 1; done
	for page in packaging/man/*.[1-8] build/share/man/man8/*.8; do [ ! -e "$$page" ] || \
	    install -D -m 644 "$$page" "$(DATADIR)/man/man$${page##*.}/$${page##*/}" || exit 1; done
	for file in build/share/bash-completion/completions/*; do [ ! -e "$$file" ] || \
	    install -D -m 644 "$$file" "$(DATADIR)/bash-completion/completions/$${file##*/}" || exit 1; done

## clean: removes what was built; the caches in ~/.cache/clear-containers stay
clean:
	rm -rf build build-dev build-asan build-fuzz

## format: clang-format over all our files
format:
	@git ls-files '*.cc' '*.h' | xargs clang-format -i

## lint: clang-format and clang-tidy
lint: all
	@packaging/install-deps.sh lint
	@tests/lint.sh

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): /\1	/p' $(firstword $(MAKEFILE_LIST)) | while IFS='	' read -r verb text; do \
	    printf '  make %-12s %s\n' "$$verb" "$$text"; done
