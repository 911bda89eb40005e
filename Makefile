# swiftvm. `make` alone lists the targets; what they need is set up as they run.
PREFIX ?= /usr/local
images := guest-images/build
program := .build/release/swiftvm
completions := bash-completion/completions zsh/site-functions fish/vendor_completions.d

# The parts share caches and build folders, and their order counts.
.NOTPARALLEL:
.PHONY: help demo test tools bench check lint build docs release guest-images generic micro agents nested install clean

help:
	@echo "make demo          boot a stock Linux kernel and talk to it through org.fedoraproject.port.0"
	@echo "make test          every test there is, in a nested machine where this host cannot run Linux"
	@echo "make bench         swiftvm against QEMU on this host's /dev/kvm, in turns; ROUNDS=5 ONLY=part-of-an-id EARLIER=another-swiftvm"
	@echo "make check         lint, build, unit tests"
	@echo "make docs          the library's documentation in .build/docs"
	@echo "make release       the static executable .build/release/swiftvm"
	@echo "make guest-images  the guest image in $(images); KERNEL=... [MODULES=...] for another kernel"
	@echo "make install       executable, guest image, manual page, completion below PREFIX ($(PREFIX))"
	@echo "make clean         remove what was built (downloads stay in the cache)"
	@echo "parts: build (debug), lint, micro (the tests' tiny guests), agents (the tests' real programs), generic (another kernel for them), nested (the nested machine)"

demo: nested release guest-images
	@guest-images/demo.sh

test: tools nested lint build release guest-images generic agents micro
	@Tests/nested/all-tests

bench: release
	@guest-images/bench/build.sh
	@Tests/bench/run

check: lint build micro
	@echo "==> unit tests"
	@swift test --disable-xctest --skip-build --skip LinuxTests

lint:
	@echo "==> lint"
	@swift format lint --strict -r Sources Tests Package.swift
	@Tests/check-rules
	@Tests/check-foreign-text
	@Tests/check-words

build:
	@echo "==> debug build"
	@swift build --build-tests --disable-xctest

# With the values that SwiftVM brings along from the modules below it.
docs: build
	@echo "==> documentation"
	@mkdir -p .build/symbols
	@swift symbolgraph-extract -module-name SwiftVM -I .build/debug/Modules -Xcc -fmodule-map-file=CKVM/module.modulemap \
	  -target x86_64-unknown-linux-gnu -minimum-access-level public \
	  -experimental-allowed-reexported-modules=Chardev,VirtioConsole -output-dir .build/symbols
	@docc convert Sources/SwiftVM/SwiftVM.docc --fallback-display-name SwiftVM --fallback-bundle-identifier swiftvm \
	  --additional-symbol-graph-dir .build/symbols --warnings-as-errors --output-path .build/docs

release:
	@echo "==> release build"
	@swift build -c release -Xswiftc -static-executable -Xswiftc -use-ld=lld -Xlinker -s --product swiftvm

guest-images:
	@guest-images/build.sh

# The kernel for hardware of all kinds: unlike the cloud's it reads the MP table.
generic:
	@KERNEL=linux-image-amd64 NAME=generic guest-images/build.sh

agents: guest-images
	@guest-images/agents/build.sh

# What the tests need of Debian, all of it told or installed before the long builds.
tools:
	@Tests/nested/can-run-linux >/dev/null && guest-images/require-tools || guest-images/require-tools nested

nested:
	@Tests/nested/can-run-linux >/dev/null || Tests/nested/build

micro:
	@guest-images/micro/build.sh

install:
	@test -x $(program) -a -f $(images)/vmlinux || { echo "first: make release guest-images" >&2; exit 2; }
	install -D -m 755 $(program) $(DESTDIR)$(PREFIX)/bin/swiftvm
	install -d $(DESTDIR)$(PREFIX)/share/swiftvm $(addprefix $(DESTDIR)$(PREFIX)/share/,man/man1 $(completions))
	$(program) manual > $(DESTDIR)$(PREFIX)/share/man/man1/swiftvm.1
	$(program) completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/swiftvm
	$(program) completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_swiftvm
	$(program) completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/swiftvm.fish
	install -m 644 $(images)/vmlinuz $(images)/vmlinux $(images)/initramfs.cpio $(DESTDIR)$(PREFIX)/share/swiftvm

clean:
	rm -rf .build $(images)
