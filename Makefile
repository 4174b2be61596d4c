# The two commands: `make demo` and `make test`. Everything else is below.
SHELL := /bin/bash
# The environment's CMake and Ninja come after the system's, and are used when the system has none that is new enough.
CMAKE := $(shell [ -x .venv/bin/cmake ] && echo .venv/bin/cmake || echo cmake)
NINJA_PATH := $(if $(wildcard .venv/bin/ninja),-DCMAKE_MAKE_PROGRAM=$(CURDIR)/.venv/bin/ninja)
JOBS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
VERSION := $(shell sed -n 's/^project(tandem VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)

.PHONY: help demo serve build test dist clean

help:
	@echo "make demo    install what is missing, build, ask the bundled model a question over two ranks"
	@echo "make serve   the same, and stay up on port 8100"
	@echo "make build   build/bin/tandem and build/bin/tandem-stage"
	@echo "make test    build and run every test"
	@echo "make dist    tandem-$(VERSION)-OS-ARCH.tar.gz, which runs without Python, compiler or root"

build: .setup
	@$(MAKE) --no-print-directory .build TESTS=OFF DIR=build TARGETS="tandem tandem-stage"

demo: build
	@tools/demo.sh

serve: build
	@exec build/bin/tandem serve demo --local 2

test: .setup-tests
	@$(MAKE) --no-print-directory .build TESTS=ON DIR=build TARGETS=all
	@tools/test.sh

dist: build
	@tools/dist.sh "$(VERSION)"

clean:
	rm -rf build build-* dist

.PHONY: .setup .setup-tests .build
.setup:
	@tools/setup.sh
.setup-tests:
	@tools/setup.sh --tests
# A tree that was configured with tests keeps them: switching back and forth would build nothing anew.
.build:
	@if [ ! -f $(DIR)/build.ninja ] || { [ "$(TESTS)" = ON ] && ! grep -q '^TANDEM_TESTS:BOOL=ON' $(DIR)/CMakeCache.txt; }; then \
	  $(CMAKE) -S . -B $(DIR) -G Ninja $(NINJA_PATH) -DCMAKE_BUILD_TYPE=Release -DTANDEM_TESTS=$(TESTS) > build-configure.log 2>&1 \
	    || { cat build-configure.log; exit 1; }; fi
	@$(CMAKE) --build $(DIR) --parallel $(JOBS) --target $(TARGETS)
