# What a person types. Cargo builds the library; gcc builds the C programs; the tests are cargo's.

CC ?= gcc
CFLAGS ?= -O2 -g
CARGO ?= cargo

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
MAJOR := $(word 1,$(subst ., ,$(VERSION)))
MINOR := $(word 2,$(subst ., ,$(VERSION)))
RELEASE := target/release
WARNINGS := -std=c11 -Wall -Wextra -Wpedantic -Werror

.PHONY: all man install deb abi demo test test-release test-asan bench docs lint generate deps clean

# The libraries, and the manual pages.
all: $(RELEASE)/libnbwss.so.$(MAJOR) target/dist/libnbwss.a man

# The name that programs ask for at run time beside the name that they are linked with.
$(RELEASE)/libnbwss.so.$(MAJOR): $(RELEASE)/libnbwss.so
	ln -sf libnbwss.so $@

# Cargo knows best whether there is something to do. Without the crate type that only Rust programs use, it optimises
# the library as a whole: a quarter less code.
$(RELEASE)/libnbwss.so $(RELEASE)/libnbwss.a &: always
	$(CARGO) rustc --release --lib --crate-type cdylib,staticlib
always:

include packaging/package.mk

$(RELEASE)/host: all $(wildcard examples/host/*.c examples/host/*.h) include/nbwss.h
	$(CC) $(WARNINGS) $(CFLAGS) -Iinclude examples/host/*.c -o $@ -L$(RELEASE) -lnbwss -pthread

$(RELEASE)/endpoints: all examples/endpoints.c include/nbwss.h
	$(CC) $(WARNINGS) $(CFLAGS) -Iinclude examples/endpoints.c -o $@ -L$(RELEASE) -lnbwss

$(RELEASE)/outage: all examples/outage/outage.c include/nbwss.h
	$(CC) $(WARNINGS) $(CFLAGS) -Iinclude examples/outage/outage.c -o $@ -L$(RELEASE) -lnbwss -pthread

# A C host and a cloud application on this machine show each other, and you, the whole protocol.
demo: $(RELEASE)/host $(RELEASE)/outage
	$(CARGO) build --example cloud_app
	examples/demo.sh $(RELEASE) target/debug/examples/cloud_app $(RELEASE)/host $(RELEASE)/outage

# Everything. Installs the Debian packages that are missing, when it may.
test: deps all
	$(CARGO) build --all-targets
	$(CARGO) test

# The C programs and the symbols once more, on the file that is shipped.
test-release: deps all
	NBWSS_LIBRARY=$(CURDIR)/$(RELEASE)/libnbwss.so $(CARGO) test --test header --test exports --test c_surface --test manners

# The C programs once more under AddressSanitizer, the library's Rust included. The flag is not a stable one, so
# RUSTC_BOOTSTRAP has the stable compiler take it, for this build only.
ASAN_TARGET := x86_64-unknown-linux-gnu
test-asan: deps
	RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address \
	  $(CARGO) build --lib --target $(ASAN_TARGET) --target-dir target/asan
	$(CARGO) build --example cloud_app
	NBWSS_LIBRARY=$(CURDIR)/target/asan/$(ASAN_TARGET)/debug/libnbwss.so NBWSS_SANITIZE=address \
	  $(CARGO) test --test c_surface --test host_example --test endpoints_example -- --skip valgrind

# What the library costs its host, and its speed beside other clients', one in C++ among them where Debian's packages for
# it are there.
bench: all
	$(CARGO) build --example cloud_app
	benches/footprint/run.sh $(RELEASE) target/debug/examples/cloud_app
	$(CARGO) bench --bench outbox --bench throughput

# The manual as HTML in target/docs/html; any warning is an error.
docs:
	mkdir -p target/docs
	doxygen docs/Doxyfile

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

# Writes what is generated from the code and committed: include/nbwss.h and tables in docs/.
generate:
	NBWSS_UPDATE=1 $(CARGO) test --test header --test exports --test docs generated

deps:
	scripts/install-deps.sh

clean:
	$(CARGO) clean
