# The two commands: `make demo` and `make test`. Everything else is below; the work is done by the scripts in tools/.
SHELL := /bin/bash
VERSION := $(shell awk '/^project/ {print $$3}' CMakeLists.txt)

.PHONY: help demo serve build test dist check-headers check-macos clean

help:
	@echo "make demo    install what is missing, build, ask the bundled model a question over two ranks"
	@echo "make serve   the same, and stay up on port 8100"
	@echo "make build   build/bin/tandem and build/bin/tandem-stage"
	@echo "make test    build and run every test"
	@echo "make dist    tandem-$(VERSION)-OS-ARCH.tar.gz, which runs without Python, compiler or root"

build:
	@tools/setup.sh
	@tools/build.sh tandem tandem-stage

demo: build
	@tools/demo.sh

serve: build
	@exec build/bin/tandem serve demo --local 2

test:
	@tools/setup.sh --tests
	@tools/build.sh --tests all
	@tools/test.sh

dist: build
	@tools/dist.sh "$(VERSION)"

# Every header compiles alone.
check-headers:
	@tools/setup.sh --tests
	@tools/build.sh --tests check-headers

clean:
	rm -rf build tandem-*.tar.gz
