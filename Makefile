# eplb: the commands of the project. `make` or `make help` lists them.
# Needed: Rust, a C and a C++ compiler (with the ar, nm, ld and objcopy that it brings), make. `make proof` uses
# valgrind where it is installed.

CARGO ?= cargo
PREFIX ?= /usr/local
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# Two versions fit when this is the same: the major version, before 1.0 the minor version too.
ABI := $(shell echo $(VERSION) | sed 's/^\(0\.[0-9]*\)\..*/\1/; t; s/\..*//')

comma := ,
empty :=
space := $(empty) $(empty)
# Nothing where the machine has no operating system: there are no shared libraries. CC links that of another machine.
SYSTEM := $(if $(TRIPLE),$(findstring -linux-gnu,$(TRIPLE)),$(shell uname -s))
SHARED := $(if $(filter Linux -linux-gnu,$(SYSTEM)),-C link-arg=-Wl$(comma)-soname$(comma)libeplb.so.$(ABI))
ifneq ($(and $(SYSTEM),$(TRIPLE)),)
SHARED += -C linker=$(firstword $(CC)) $(patsubst %,-C link-arg=%,$(wordlist 2,$(words $(CC)),$(CC)))
endif

.PHONY: aarch64 asan coverage fuzz abi abi-update bounds bounds-update firmware help lib checked unoptimised trap parts flavours demo test proof installed break stack bench install uninstall clean

help:
	@sed -n 's/^## //p' Makefile

## make lib       target/release/libeplb.a and libeplb.so; the header is include/eplb.h
##                SMALL=1: two thirds of the code, target/small/; WITHOUT="windows previous dispatch compat load explain", or
##                WITHOUT=all: without those parts, target/release-without-.../; TRIPLE=thumbv7em-none-eabihf
##                CC=arm-none-eabi-gcc: for another machine, target/TRIPLE/...
override SMALL := $(filter-out 0,$(SMALL))
PARTS := windows previous dispatch compat load explain
LEFT_OUT := $(if $(filter all,$(WITHOUT)),$(PARTS),$(WITHOUT))
ifneq ($(filter-out $(PARTS),$(LEFT_OUT)),)
$(error WITHOUT=$(WITHOUT): the parts are $(PARTS))
endif
# A folder for each way to build it: none takes the place of another.
FLAVOUR := $(if $(SMALL),small,release)$(if $(WITHOUT),-without-$(subst $(space),-,$(sort $(WITHOUT))))
MACHINE := $(if $(TRIPLE),/$(TRIPLE))
FOLDER := $(TARGET)$(MACHINE)/$(FLAVOUR)
OPT_LEVEL := $(if $(SMALL),CARGO_PROFILE_RELEASE_OPT_LEVEL=s)
LEFT_OUT_CFG := $(foreach part,$(LEFT_OUT),--cfg 'without="$(part)"')

# What cargo makes goes to TARGET/raw: its archive is not one to link with.
# $(call archive,FOLDER,PROFILE'S FOLDER,OPTIONS OF CARGO,OPTIONS OF RUSTC): TARGET/FOLDER/libeplb.a
define archive
$(CARGO) rustc --lib $(3) --target-dir $(TARGET)/raw/$(1) $(if $(TRIPLE),--target $(TRIPLE)) $(CARGO_FLAGS) -- --cfg standalone $(4)
@CC='$(CC)' bindings/archive.sh $(TARGET)/raw/$(1)$(MACHINE)/$(2)/libeplb.a $(TARGET)$(MACHINE)/$(1)/libeplb.a
endef

lib:
	$(OPT_LEVEL) $(call archive,$(FLAVOUR),release,--release --crate-type staticlib$(if $(SYSTEM),$(comma)cdylib),$(LEFT_OUT_CFG) $(SHARED))
	@for file in libeplb.so libeplb.dylib; do raw=$(TARGET)/raw/$(FLAVOUR)$(MACHINE)/release/$$file; \
	  [ -z '$(SYSTEM)' ] || [ ! -f $$raw ] || [ $$raw -ef $(FOLDER)/$$file ] || ln -f $$raw $(FOLDER)/; done

# The release code with the checks of a debug build.
checked:
	$(call archive,checked,checked,--profile checked --crate-type staticlib)

# The code as `cargo build` makes it, without any optimisation.
unoptimised:
	CARGO_PROFILE_DEV_PANIC=abort CARGO_PROFILE_DEV_LTO=fat CARGO_PROFILE_DEV_OPT_LEVEL=0 \
	  $(call archive,unoptimised,debug,--crate-type staticlib)

# The archive that does not link when a panic is reachable: c_tests/Makefile, "trap". In every flavour.
trap:
	$(OPT_LEVEL) $(call archive,trap-$(FLAVOUR),release,--release --crate-type staticlib,--cfg panic_trap $(LEFT_OUT_CFG))

## make demo      [TRACE="a.csv b.csv"] [SLOTS= GPUS= NODES= GROUPS=] [SCOPE=] [POLICY=] [SEED=] [WINDOWS=] [SVG= HTML=]
##                plans every window of a trace of expert loads: balance before and after, time, distance to the bound;
##                writes a picture and a report for a browser to target/demo/
##                REPLAY=time or leave-one-out: what plans bring on windows they have not seen
##                OUT=plan.json [ENGINE= DENSE_LAYERS=]: one placement for all windows, for an engine
##                `cargo run --release -p eplb-cli -- --help` has the rest
EPLB := $(CARGO) run --release -p eplb-cli --
# $(call flags,NAMES): --name 'value' for each variable that is set; several traces have blanks or commas between them.
flags = $(foreach name,$(1),$(if $($(name)),--$(subst _,-,$(shell echo $(name) | tr A-Z a-z)) '$($(name))')) $(subst $(comma), ,$(TRACE))
MACHINE_FLAGS := SLOTS GPUS NODES GROUPS SCOPE SEED
POLICY_FLAG = $(if $(POLICY),--policy '$(POLICY)')
demo:
	$(if $(OUT),$(EPLB) plan $(if $(filter-out all,$(POLICY)),$(POLICY_FLAG)) $(strip $(call flags,$(MACHINE_FLAGS) OUT ENGINE DENSE_LAYERS)))
	$(if $(REPLAY),$(EPLB) replay --order $(REPLAY) $(POLICY_FLAG) $(strip $(call flags,$(MACHINE_FLAGS) WINDOWS SVG)),$(EPLB) report $(POLICY_FLAG) $(strip $(call flags,$(MACHINE_FLAGS) WINDOWS SVG HTML)))

## make report-check  opens the demo's report in headless Chromium: charts, console, screenshots in target/demo/
.PHONY: report-check
report-check:
	CARGO='$(CARGO)' cli/browser.sh $(TARGET)

## make tool      the tests of the tool behind the demo, cli/
.PHONY: tool
tool:
	$(CARGO) test -p eplb-cli

## make parts     every part left out, one at a time and all: what is refused, the same plans, no panic, their symbols
FLAVOURS := small $(PARTS:%=small-without-%) small-without-all
flavours: lib
	@$(MAKE) --no-print-directory lib SMALL=1
	@for part in $(PARTS) all; do $(MAKE) --no-print-directory lib SMALL=1 WITHOUT=$$part || exit 1; done
parts: flavours
	$(MAKE) trap SMALL=1 WITHOUT=all
	$(MAKE) -C c_tests parts TARGET=$(TARGET) FLAVOURS='release $(FLAVOURS)'

## make test      the Rust tests, then the C tests and what fuzzing found against the release archive and the checked one
test: lib checked
	$(CARGO) test --lib --tests
	$(CARGO) test --doc
	$(MAKE) -C c_tests test TARGET=$(TARGET) PROFILE=release
	$(MAKE) -C c_tests test TARGET=$(TARGET) PROFILE=checked
	$(MAKE) -C fuzz replay TARGET=$(TARGET)

## make proof     no panic, no allocation, no libc, no globals, no stray symbol, no bad access; header and install
proof: lib checked trap
	$(MAKE) lib trap SMALL=1
	$(CARGO) test --test project -- header:: architecture::
	$(MAKE) -C c_tests proof TARGET=$(TARGET)
	$(MAKE) installed

# `make install` into a folder of its own, and the example built from there.
installed:
	c_tests/install.sh $(TARGET)/install

## make msrv      the archives, the C topics and the panic proof by the oldest Rust that will do (needs rustup)
.PHONY: msrv of-msrv
MSRV := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
MSRV_TARGET := $(TARGET)/msrv
msrv:
	@if rustup run $(MSRV) rustc --version || rustup toolchain install --profile minimal $(MSRV); \
	then $(MAKE) of-msrv CARGO='$(CARGO) +$(MSRV)' CARGO_TARGET_DIR=$(MSRV_TARGET); \
	else echo "msrv         Rust $(MSRV) is not to be had: skipped; clippy's incompatible_msrv holds it alone"; fi
of-msrv: lib checked trap
	$(MAKE) trap SMALL=1
	$(MAKE) -C c_tests topics trap symbols TARGET=$(TARGET)

## make break     breaks a copy of the library on purpose, one way after another, and sees each proof fail
break:
	c_tests/break.sh $(TARGET)

## make stack     how deep planning goes into the stack, the largest frames (needs llvm-readobj), and the size of the code
stack: lib
	-RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zemit-stack-sizes $(CARGO) rustc -q --release --lib --crate-type staticlib \
	  --target-dir $(TARGET)/stack -- --cfg standalone
	$(MAKE) -C c_tests stack TARGET=$(TARGET)

## make firmware  the library without an operating system: six targets in qemu, compared with this machine
firmware: lib checked unoptimised
	c_tests/firmware/setup.sh $(TARGET)
	$(MAKE) -C c_tests/firmware TARGET=$(TARGET)

## make aarch64   unit tests, vectors and bounds on aarch64 Linux in qemu-user (installs what it needs, as root on Debian 12)
aarch64:
	c_tests/firmware/aarch64_tests.sh $(TARGET) -q --lib
	c_tests/firmware/aarch64_tests.sh $(TARGET) -q --test library -- vectors:: bound::

## make asan      the Rust tests that plan, and the fuzz corpus from C, under AddressSanitizer (needs clang-19)
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
PLANNING := vectors:: properties:: balanced:: bound::
asan:
	export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address; for tests in '--lib' '--test library -- $(PLANNING)'; do \
	  $(CARGO) test -q --target $(HOST) --target-dir $(TARGET)/asan $$tests || exit 1; done
	$(MAKE) -C fuzz replay-asan TARGET=$(TARGET)

## make fuzz      [SECONDS=60 SEED=0] every C function that long, two at a time (needs clang-19); see fuzz/Makefile
fuzz:
	$(MAKE) -C fuzz all TARGET=$(TARGET)
	$(MAKE) -C fuzz -j2 -k --output-sync=target run TARGET=$(TARGET) SECONDS=$(or $(SECONDS),60) SEED=$(or $(SEED),0)

## make coverage  lines of src/ that the tests reach, at least 98 %; names the others (needs llvm-cov of rustc's LLVM)
coverage:
	c_tests/bounds/coverage.sh $(TARGET) 98

## make bounds    instructions, workspace, stack and code against c_tests/bounds/bounds.txt; bounds-update rewrites it
bounds: flavours
	CC='$(CC)' c_tests/bounds/bounds.sh compare $(TARGET) $(TARGET)/bounds $(FLAVOURS)
bounds-update: flavours
	CC='$(CC)' c_tests/bounds/bounds.sh update $(TARGET) $(TARGET)/bounds $(FLAVOURS)

## make abi       the binary interface against c_tests/abi/eplb.abi (needs abigail-tools); abi-update rewrites it
abi:
	c_tests/abi/abi.sh compare $(TARGET)
abi-update:
	c_tests/abi/abi.sh update $(TARGET)

## make bench     EPLB_TRACE=file.csv measures time, instructions and balance of every policy, and of DeepSeek in plain
##                C++ (three minutes), writes what it finds into docs/BENCHMARKS.md and README.md, and checks the figures
##                that the text quotes; without a trace: generated loads, and the page goes to target/bench/BENCHMARKS.md
.PHONY: readme traced pages versus
PAGES := $(CARGO) run -q --release -p eplb-pages --
bench: lib
	benches/measure.sh $(TARGET)/release/libeplb.a $(TARGET)/bench
ifdef EPLB_TRACE
	rm -rf docs/figures
	cp -r $(TARGET)/bench/figures docs/figures
	$(MAKE) pages
else
	cp docs/BENCHMARKS.md $(TARGET)/bench
	$(PAGES) --figures $(TARGET)/bench/figures --plots $(TARGET)/bench/plots $(TARGET)/bench/BENCHMARKS.md
endif

# The same, and never on generated loads, which README.md does not quote.
readme: traced bench
traced:
	@test -n '$(EPLB_TRACE)' || { echo 'make readme EPLB_TRACE=deepseek_v3.csv: README.md quotes a real trace'; exit 1; }

# Writes the pages anew from docs/figures, without measuring.
pages:
	$(PAGES) --figures docs/figures --plots docs/plots docs/BENCHMARKS.md README.md docs/CHOOSING.md docs/SECONDS.md

# The plain C++ that `make bench` measures against, by g++ and clang++: it plans as DeepSeek does, and BALANCED is
# faster and better balanced.
versus: lib
	benches/versus/build.sh $(TARGET)/release/libeplb.a $(TARGET)/bench
	@for versus in $(TARGET)/bench/versus-*; do $$versus faster || exit 1; done

## make mpi       examples/mpi.c on 8 ranks: digests, transfers, weights and dispatch, and that a wrong rank is noticed (needs Open MPI)
.PHONY: mpi
mpi: lib
	c_tests/mpi.sh $(TARGET)

## make install   [PREFIX=/usr/local] [LIBDIR=/usr/local/lib] [DESTDIR=] [SMALL=1 WITHOUT=.. TRIPLE=..]: headers,
##                archive, shared library, pkg-config file, CMake package; what is installed may be moved as a whole.
##                `make uninstall` removes it
LIBDIR ?= $(PREFIX)/lib
INCLUDE := $(DESTDIR)$(PREFIX)/include
LIB := $(DESTDIR)$(LIBDIR)
# From LIBDIR up to PREFIX, where the one is in the other; else only PREFIX itself will do.
UP := $(if $(filter $(PREFIX)/%,$(LIBDIR)),$(subst $(space),/,$(patsubst %,..,$(subst /, ,$(LIBDIR:$(PREFIX)/%=%)))))
# of the machine that the library is for
BITS = $(shell rustc --print cfg $(if $(TRIPLE),--target $(TRIPLE)) | sed -n 's/^target_pointer_width="\(.*\)"/\1/p')
install: lib
	install -d $(INCLUDE) $(LIB)/pkgconfig $(LIB)/cmake/eplb
	install -m 644 include/eplb.h include/eplb.hpp include/eplb_balancer.hpp include/eplb_balancer_state.hpp $(INCLUDE)
	install -m 644 $(FOLDER)/libeplb.a $(LIB)
ifneq ($(SYSTEM),)
	install -m 755 $(FOLDER)/libeplb.so $(LIB)/libeplb.so.$(VERSION)
	ln -sf libeplb.so.$(VERSION) $(LIB)/libeplb.so.$(ABI)
	ln -sf libeplb.so.$(ABI) $(LIB)/libeplb.so
endif
	printf '%s\n' 'prefix=$(if $(UP),$${pcfiledir}/../$(UP),$(PREFIX))' 'libdir=$${pcfiledir}/..' 'archive=$${libdir}/libeplb.a' \
	  'Name: eplb' 'Description: Expert placement for Mixture-of-Experts serving' 'Version: $(VERSION)' \
	  'Cflags: -I$${prefix}/include' 'Libs: -L$${libdir} -leplb' > $(LIB)/pkgconfig/eplb.pc
	for file in eplb-config eplb-config-version; do \
	  sed 's/@VERSION@/$(VERSION)/; s/@ABI@/$(ABI)/; s/@BITS@/$(BITS)/; s|@PREFIX@|$(if $(UP),$${_eplb_lib}/$(UP),$(PREFIX))|' \
	    bindings/cmake/$$file.cmake.in > $(LIB)/cmake/eplb/$$file.cmake; done

# With the variables of `make install`. Folders stay that others use.
uninstall:
	rm -f $(INCLUDE)/eplb.h $(INCLUDE)/eplb.hpp $(INCLUDE)/eplb_balancer.hpp $(INCLUDE)/eplb_balancer_state.hpp \
	  $(LIB)/libeplb.a $(LIB)/libeplb.so $(LIB)/libeplb.so.$(ABI) \
	  $(LIB)/libeplb.so.$(VERSION) $(LIB)/pkgconfig/eplb.pc $(LIB)/cmake/eplb/eplb-config.cmake \
	  $(LIB)/cmake/eplb/eplb-config-version.cmake
	for folder in $(LIB)/cmake/eplb $(LIB)/cmake $(LIB)/pkgconfig $(LIB) $(INCLUDE); do rmdir $$folder 2> /dev/null || true; done

## make wheel     target/wheel/: the Python package with the shared library inside, and the plug-ins for vLLM and SGLang
.PHONY: wheel
wheel: lib
	bindings/python/wheel.sh $(TARGET)

## make python    installs the wheels into an environment of its own and tests them from outside the tree
.PHONY: python
python: wheel
	bindings/python/test.sh $(TARGET)

## make dist      target/dist/: archives to link with for five machines, wheels, sources, SHA256SUMS; each is unpacked,
##                linked and run, in qemu where it is for another machine (installs what it needs, as root on Debian 12)
.PHONY: dist
dist: export SOURCE_DATE_EPOCH = $(shell git log -1 --format=%ct)
dist: wheel
	CARGO='$(CARGO)' bindings/dist.sh $(TARGET)
	CARGO='$(CARGO)' c_tests/dist.sh $(TARGET)

## make engines   the plug-ins inside the released vLLM and SGLang, on gloo ranks without a GPU (7 GB of wheels)
.PHONY: engines
engines: wheel
	bindings/engines/engines.sh $(TARGET)

## make speedup   [LEAST="deepseek=60 balanced=35"] rebalance_experts against a numpy port of DeepSeek EPLB, in one run
.PHONY: speedup
speedup: wheel
	[ -x $(TARGET)/python/venv/bin/python ] || bindings/python/test.sh $(TARGET)
	$(TARGET)/python/venv/bin/pip install -q --no-deps --force-reinstall $(TARGET)/wheel/eplb-*.whl
	$(TARGET)/python/venv/bin/python -B bindings/python/benchmark.py --least $(or $(LEAST),deepseek=60 balanced=35)

## make docs      target/doc: the crate by rustdoc, the headers by Doxygen (doc/c, doc/cpp); a warning is an error
.PHONY: docs
DOXYGEN = mkdir -p $(TARGET)/doc/$(1) && { cat docs/Doxyfile; printf '%s\n' 'OUTPUT_DIRECTORY = $(TARGET)/doc/$(1)' $(2); } | doxygen -
docs:
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps
ifneq ($(shell command -v doxygen 2>/dev/null),)
	$(call DOXYGEN,c,'INPUT = include/eplb.h')
ifneq ($(wildcard include/eplb.hpp),)
	$(call DOXYGEN,cpp,'INPUT = include/eplb.h include/eplb.hpp include/eplb_balancer_state.hpp include/eplb_balancer.hpp' OPTIMIZE_OUTPUT_FOR_C=NO EXTRACT_ALL=YES)
endif
	@echo "docs         $(TARGET)/doc/eplb/index.html, doc/c/index.html, and of C++ doc/cpp/index.html"
else
	@echo "docs         doxygen is not installed: skipped"; [ "$$CI" != true ]
endif

## make clean     removes all that was built: target/, or CARGO_TARGET_DIR
clean:
	$(CARGO) clean --target-dir $(TARGET)
	rm -f bindings/python/src/eplb/libeplb.* # of `pip install -e`
