# SPDX-License-Identifier: BSD-2-Clause
#
# lumaring: the newest grey frames of a camera in shared memory, for many processes.
# `make help` lists the targets. GNU make; everything is built under $(BUILD).
#
#   V=1                      show the commands
#   SAN=address,undefined    build with these sanitizers, in a directory of its own
#   SAN=thread
#   CC=clang CFLAGS=-O3 ...  yours are kept; a change of flags rebuilds what depends on them. CXX and CXXFLAGS are
#                            what goes with CC and CFLAGS, unless they are given
#   LIBCAMERA=no             without the source libcamera, and without any C++
#   PREFIX, DESTDIR          where `make install` puts things; more directories are named below

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := 0.1.0
# When it was made: the date of its man pages, which are then the same wherever they are built.
VERSION_DATE := 2026-11-28
SOVERSION := 0

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/lumaring
# Programs for whoever writes one.
EXAMPLEDIR ?= $(DOCDIR)/examples
# What the vendor of a system sets for all cameras.
VENDORDIR ?= $(PREFIX)/lib/lumaring
# As systemd of this machine has them, below our prefix; Debian 12 calls the prefix of units rootprefix.
systemd_dir = $(shell $(PKG_CONFIG) --define-variable=prefix=$(PREFIX) --define-variable=rootprefix=$(PREFIX) \
	--variable=$(1) systemd 2>/dev/null)
UNITDIR ?= $(or $(call systemd_dir,systemdsystemunitdir),$(PREFIX)/lib/systemd/system)
SYSUSERSDIR ?= $(or $(call systemd_dir,sysusersdir),$(PREFIX)/lib/sysusers.d)
CATALOGDIR ?= $(or $(call systemd_dir,catalogdir),$(PREFIX)/lib/systemd/catalog)
# As bash-completion has it, below our prefix, too; it finds them by the names of the programs.
BASHCOMPDIR ?= $(or $(shell $(PKG_CONFIG) --define-variable=prefix=$(PREFIX) --variable=completionsdir bash-completion \
	2>/dev/null),$(PREFIX)/share/bash-completion/completions)
# The system's Python; and the first directory below our prefix where it looks for packages, or, where it looks for none
# there, the one that it would have with that prefix.
PYTHON ?= $(or $(wildcard /usr/bin/python3),python3)
PYTHONDIR ?= $(or $(shell $(PYTHON) -ISc 'import site, sys; prefix = sys.argv[1].rstrip("/") + "/lib"; \
	print(next((path for path in site.getsitepackages() if path.startswith(prefix)), \
	"%s/python%d.%d/site-packages" % (prefix, *sys.version_info[:2])))' $(PREFIX) 2>/dev/null),\
	$(PREFIX)/lib/python3/dist-packages)

SAN ?=
comma := ,
BUILD ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

ifeq ($(origin CC),default)
CC := gcc
endif
# The C++ compiler of the same make: gcc-13 has g++-13, and a cross compiler keeps its options.
ifeq ($(origin CXX),default)
CXX := $(or $(if $(findstring gcc,$(CC)),$(subst gcc,g++,$(CC))),$(if $(findstring clang,$(CC)),\
	$(subst clang,clang++,$(CC))),c++)
endif
PKG_CONFIG ?= pkg-config
LIBCAMERA ?= yes
CFLAGS ?= -O2 -g
CXXFLAGS ?= $(CFLAGS)
LUMARING_FLAGS := -D_GNU_SOURCE -DLUMARING_BUILD_VERSION='"$(VERSION)"' \
	-DLUMARING_SBINDIR='"$(SBINDIR)"' -DLUMARING_VENDORDIR='"$(VENDORDIR)"' -Iinclude -Idaemon \
	-Wall -Wextra -Wpointer-arith -Wwrite-strings -Wundef -Wformat=2 -Wvla -fvisibility=hidden -fPIC -pthread \
	$(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LUMARING_CFLAGS := -std=c11 $(LUMARING_FLAGS) -Wshadow -Wstrict-prototypes -Wmissing-prototypes -fno-common \
	$(if $(filter no,$(LIBCAMERA)),-DLUMARING_NO_LIBCAMERA)
LUMARING_LDFLAGS := -pthread $(if $(SAN),-fsanitize=$(SAN))
DAEMON_LIBS := -lcjson -lsystemd -luring
ifneq ($(LIBCAMERA),no)
# Its headers are a system's: their warnings are not ours. No -Wshadow: in C a function may have the name of a struct.
LUMARING_CXXFLAGS := -std=c++17 $(LUMARING_FLAGS) -Wmissing-declarations -Wnon-virtual-dtor -Woverloaded-virtual \
	$(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags libcamera))
# The C compiler links all, and these only where they are called: a test that does not is a C program and loads none.
DAEMON_LIBS += -Wl,--push-state,--as-needed $(or $(shell $(PKG_CONFIG) --libs libcamera),-lcamera -lcamera-base) \
	-lstdc++ -Wl,--pop-state
endif
CLI_LIBS := -lpng -lcjson

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

# --- what there is -------------------------------------------------------------------------------------------------

# Kernels: one file and one set of flags for each instruction set, built for its own machine only.
MACHINE := $(firstword $(subst -, ,$(or $(shell $(CC) -dumpmachine 2>/dev/null),$(shell uname -m))))
KERNELS_x86_64 := sse41 avx2 avx512
KERNELS_aarch64 := neon
# Levels of single cores, in the same file.
CORES_aarch64 := a53 a72
KERNELS_OTHERS := $(filter-out $(KERNELS_$(MACHINE)),$(KERNELS_x86_64) $(KERNELS_aarch64))
KERNEL_FLAGS_sse41 := -msse4.1
KERNEL_FLAGS_avx2 := -mavx2
KERNEL_FLAGS_avx512 := -mavx512f -mavx512bw -mavx512vl
# -O3 unrolls their short loops, and makes vectors of the reference in C; other wishes are kept.
kernel_flags = $(KERNEL_FLAGS_$(1)) $(if $(filter -O2,$(CFLAGS)),-O3)

DAEMON_SRC := $(filter-out $(KERNELS_OTHERS:%=daemon/copy/kernels_%.c),$(wildcard daemon/*.c daemon/*/*.c)) \
	$(if $(filter no,$(LIBCAMERA)),,daemon/source/libcamera.cpp)
CLIENT_SRC := $(wildcard client-lib/*.c)
CLI_SRC := $(wildcard client-lib/cli/*.c)
EXAMPLE_SRC := $(wildcard client-lib/examples/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
TOOL_SRC := $(wildcard tests/tools/*.c)
ifeq ($(LIBCAMERA),no)
UNIT_SRC := $(filter-out tests/unit/test_libcamera.c,$(UNIT_SRC))
TOOL_SRC := $(filter-out tests/tools/libcamera_probe.c,$(TOOL_SRC))
endif
CHECKASM_SRC := $(wildcard tests/checkasm/*.c)

obj = $(patsubst %,$(BUILD)/obj/%.o,$(basename $(1)))
VARLINK_SRC := $(wildcard daemon/control/*.varlink)
DAEMON_PARTS := $(call obj,$(filter-out daemon/main.c,$(DAEMON_SRC))) $(VARLINK_SRC:%=$(BUILD)/obj/%.o)
EXAMPLES := $(patsubst client-lib/examples/%.c,$(BUILD)/examples/%,$(EXAMPLE_SRC))
UNITS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
# The daemon with slow capture buffers.
THROTTLED := $(BUILD)/tests/lumaringd-throttled
# The daemon whose source refuses changes.
REFUSING := $(BUILD)/tests/lumaringd-refusing
REFUSED := feeder_stop feeder_reserve feeder_start source_check source_set_rate source_set_controls
TOOLS := $(THROTTLED) $(REFUSING) $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(TOOL_SRC))
OBJECTS := $(call obj,$(DAEMON_SRC) $(CLIENT_SRC) $(CLI_SRC) $(EXAMPLE_SRC) $(UNIT_SRC) $(TOOL_SRC) $(CHECKASM_SRC) \
	tests/throttle/throttle.c tests/refuse/refuse.c tests/unit/fake_libcamera.c)

# For the service manager: NAME.in and NAME.sysusers are NAME and NAME.conf there.
SERVICE_UNITS := $(patsubst %.in,$(BUILD)/%,$(wildcard systemd/*.service.in systemd/*.socket.in systemd/*.target.in))
SYSUSERS := $(patsubst %.sysusers,$(BUILD)/%.conf,$(wildcard systemd/*.sysusers))

# For the shell: PROGRAM.bash is PROGRAM there.
COMPLETION_SRC := $(wildcard client-lib/cli/*.bash daemon/*.bash)
COMPLETIONS := $(patsubst %.bash,$(BUILD)/completions/%,$(notdir $(COMPLETION_SRC)))

# The Python package, and what tells its version to pip and the like.
PYTHON_SRC := $(wildcard client-lib/python/lumaring/*.py) client-lib/python/lumaring/py.typed
PYTHON_METADATA := $(BUILD)/python/METADATA

PRODUCTS := $(BUILD)/liblumaring.so.$(SOVERSION) $(BUILD)/liblumaring.so $(BUILD)/liblumaring.a \
	$(BUILD)/lumaring.pc $(BUILD)/lumaringd $(BUILD)/lumaring $(SERVICE_UNITS) $(SYSUSERS) \
	$(COMPLETIONS) $(PYTHON_METADATA)

.PHONY: all
all: $(PRODUCTS) $(EXAMPLES) ## Build daemon, library, tool and examples

# --- rules ---------------------------------------------------------------------------------------------------------

# Rebuilt only when the flags change, so that a build with others does not mix objects. A line for C, one for what the
# daemon is linked with, one for all else; tests/stress/mutants reads the first two.
FLAGS_C := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LUMARING_CFLAGS) $(LUMARING_LDFLAGS)
FLAGS_OTHERS := $(if $(LUMARING_CXXFLAGS),$(CXX) $(CXXFLAGS) $(LUMARING_CXXFLAGS)) \
	$(foreach set,c $(KERNELS_$(MACHINE)),$(call kernel_flags,$(set))) $(PREFIX) $(LIBDIR) $(INCLUDEDIR) $(DOCDIR)
quoted = '$(subst ','\'',$(1))'
$(BUILD)/flags: force
	$(Q)mkdir -p $(@D)
	$(Q)printf '%s\n' $(call quoted,$(FLAGS_C)) $(call quoted,$(DAEMON_LIBS)) $(call quoted,$(FLAGS_OTHERS)) > $@.new
	$(Q)if cmp -s $@.new $@; then rm -f $@.new; else mv -f $@.new $@; fi
.PHONY: force

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(LUMARING_CFLAGS) $(CFLAGS) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.cpp $(BUILD)/flags
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CPPFLAGS) $(LUMARING_CXXFLAGS) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# An interface's text as a string: io.lumaring.Camera.varlink is control_text_io_lumaring_Camera.
$(BUILD)/obj/%.varlink.o: %.varlink $(BUILD)/flags
	$(call say,TEXT,$<)
	$(Q)mkdir -p $(@D)
	$(Q){ echo 'extern const char control_text_$(subst .,_,$(*F))[];' && \
		echo 'const char control_text_$(subst .,_,$(*F))[] =' && \
		sed -e 's/["\\]/\\&/g' -e 's/.*/"&\\n"/' $< && echo ';'; } | \
		$(CC) $(CPPFLAGS) $(LUMARING_CFLAGS) $(CFLAGS) -x c -c -o $@ -

# Nothing of such a file may run on a machine that lacks the instructions: it is entered through the table alone.
define kernel_object
$(BUILD)/obj/daemon/copy/kernels_$(1).o: KERNEL_FLAGS := $(call kernel_flags,$(1))
endef
$(foreach set,c $(KERNELS_$(MACHINE)),$(eval $(call kernel_object,$(set))))

$(BUILD)/libdaemon.a: $(DAEMON_PARTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/liblumaring.a: $(call obj,$(CLIENT_SRC))
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/liblumaring.so.$(SOVERSION): $(call obj,$(CLIENT_SRC)) client-lib/liblumaring.map
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,liblumaring.so.$(SOVERSION) -Wl,--version-script=client-lib/liblumaring.map \
		$(if $(SAN),,-Wl,-z,defs) -Wl,-z,relro,-z,now $(LUMARING_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^)

$(BUILD)/liblumaring.so: $(BUILD)/liblumaring.so.$(SOVERSION)
	$(Q)ln -sf $(<F) $@

$(BUILD)/lumaring.pc: client-lib/lumaring.pc.in Makefile $(BUILD)/flags
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' $< > $@

$(PYTHON_METADATA): client-lib/python/pyproject.toml Makefile
	$(Q)mkdir -p $(@D)
	$(Q){ printf 'Metadata-Version: 2.1\nVersion: $(VERSION)\n' && sed -n -e 's/^name = "\(.*\)"/Name: \1/p' \
		-e 's/^description = "\(.*\)"/Summary: \1/p' -e 's/^requires-python = "\(.*\)"/Requires-Python: \1/p' $<; } > $@

# With the same build as pip's, and without pip: it needs no network.
WHEEL := $(BUILD)/lumaring-$(VERSION)-py3-none-any.whl
$(WHEEL): $(PYTHON_SRC) client-lib/python/pyproject.toml client-lib/python/README.md LICENSE Makefile
	$(call say,WHEEL,$@)
	$(Q)rm -rf $(BUILD)/python/tree && mkdir -p $(BUILD)/python/tree/lumaring
	$(Q)install -m 644 $(filter %.toml %.md LICENSE,$^) $(BUILD)/python/tree
	$(Q)install -m 644 $(PYTHON_SRC) $(BUILD)/python/tree/lumaring
	$(Q)cd $(BUILD)/python/tree && SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(date -u -d $(VERSION_DATE) +%s)} \
		$(PYTHON) -c 'from setuptools import build_meta; build_meta.build_wheel("..")' >../log 2>&1 || \
		{ cat ../log; exit 1; }
	$(Q)mv $(BUILD)/python/$(@F) $@

$(BUILD)/systemd/%: systemd/%.in Makefile $(BUILD)/flags
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@SBINDIR@|$(SBINDIR)|' -e 's|@DOCDIR@|$(DOCDIR)|' $< > $@

$(BUILD)/systemd/%.conf: systemd/%.sysusers
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

$(foreach src,$(COMPLETION_SRC),$(eval $(BUILD)/completions/$(notdir $(src:.bash=)): $(src)))
$(COMPLETIONS):
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

$(BUILD)/lumaringd: $(BUILD)/obj/daemon/main.o $(BUILD)/libdaemon.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now -o $@ $^ $(DAEMON_LIBS)

$(BUILD)/lumaring: $(call obj,$(CLI_SRC)) $(BUILD)/liblumaring.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) -Wl,-z,relro,-z,now -o $@ $^ $(CLI_LIBS)

$(BUILD)/examples/%: $(BUILD)/obj/client-lib/examples/%.o $(BUILD)/liblumaring.so
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) -o $@ $< -L$(BUILD) -llumaring -Wl,-rpath,'$$ORIGIN/..'

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/liblumaring.a $(BUILD)/libdaemon.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka $(DAEMON_LIBS) $(TEST_LIBS)

# Tests of what stands on libcamera have one of their own, which keeps the real one out.
$(filter $(BUILD)/tests/test_device% $(BUILD)/tests/test_source_buffers% $(BUILD)/tests/test_buffers%,$(UNITS)): \
	$(BUILD)/obj/tests/unit/fake_libcamera.o

$(BUILD)/tests/%: $(BUILD)/obj/tests/tools/%.o $(BUILD)/liblumaring.a $(BUILD)/libdaemon.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS) $(TOOL_LIBS)

$(BUILD)/tests/checkasm: $(call obj,$(CHECKASM_SRC)) $(BUILD)/libdaemon.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

$(THROTTLED): $(BUILD)/obj/daemon/main.o $(BUILD)/obj/tests/throttle/throttle.o $(BUILD)/libdaemon.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) -Wl,--wrap=copy_job_run -o $@ $^ $(DAEMON_LIBS)

$(REFUSING): $(BUILD)/obj/daemon/main.o $(BUILD)/obj/tests/refuse/refuse.o $(BUILD)/libdaemon.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LUMARING_LDFLAGS) $(LDFLAGS) $(REFUSED:%=-Wl,--wrap=%) -o $@ $^ $(DAEMON_LIBS)

# Memory that is missing when a test says so.
$(BUILD)/tests/test_source_memory: TEST_LIBS := -Wl,--wrap=feeder_map

# Clocks that differ, as they do after a suspend.
$(BUILD)/tests/test_deliver: TEST_LIBS := -Wl,--wrap=clock_gettime

# A source that a test is.
$(BUILD)/tests/test_camera: TEST_LIBS := -Wl,--wrap=source_open

# Users, groups and a socket's mode that are the test's.
$(BUILD)/tests/test_client_denied: TEST_LIBS := $(patsubst %,-Wl$(comma)--wrap=%,\
	getpwuid_r getgrgid_r getgrnam_r getgrouplist getgroups getegid geteuid stat)

# A machine that is the test's, for checks of the tool's as they are.
DOCTOR_TESTS := $(BUILD)/tests/test_cli_doctor $(BUILD)/tests/test_cli_doctor_machine
$(DOCTOR_TESTS): $(filter-out %/cli/main.o,$(call obj,$(CLI_SRC)))
$(DOCTOR_TESTS): TEST_LIBS := $(CLI_LIBS) $(patsubst %,-Wl$(comma)--wrap=%,host_may host_stat \
	host_membership host_group_name host_user_name session_now_ns nanosleep lumaring_status lumaring_control_open \
	lumaring_control_call lumaring_control_error_json lumaring_control_close)

# What is synchronised is counted.
$(BUILD)/tests/test_device_frames: TEST_LIBS := -Wl,--wrap=buffers_begin_read -Wl,--wrap=buffers_end_read

# Where a moving object is, is computed.
$(BUILD)/tests/scene: TOOL_LIBS := -lm

# A test of what many files of the tool make together.
$(BUILD)/tests/test_cli_top: $(patsubst %,$(BUILD)/obj/client-lib/cli/%.o,top_json top_rows top_sample top_screen \
	amount process table)

# A test of the tool's pictures is a program that writes some, and has a decoder of its own.
$(BUILD)/tests/test_cli_png: TEST_LIBS := $(CLI_LIBS) -lz

# --- tests ---------------------------------------------------------------------------------------------------------

# Those of the Python package, whose interpreter loads the library, are no work for sanitizers.
E2E_PYTHON := $(sort $(wildcard tests/e2e/test_python_*.py))
E2E := $(filter-out $(E2E_PYTHON),$(sort $(wildcard tests/e2e/test_*.py)))
RUN := tests/run --build $(BUILD) --jobs 2
# Every kernel of this kind of machine, each level of instructions alone.
CHECKASM := $(foreach level,c $(KERNELS_$(MACHINE)) $(CORES_$(MACHINE)),\
	kernels-$(level)='LUMARING_CPU=$(level) $(BUILD)/tests/checkasm')

.PHONY: tests
tests: all $(UNITS) $(TOOLS) $(BUILD)/tests/checkasm

.PHONY: check
check: ## Install what is missing, build, run all tests (minutes)
	$(Q)tests/deps check
	$(Q)tests/debian13 build/debian13 systemd python3-varlink || [ $$? = 77 ]
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) tests
	$(Q)began=$$(date +%s); $(RUN) --jobs 3 mutants='tests/stress/mutants --build $(BUILD)' \
		model='tests/model/run $(BUILD)/model' stress='tests/stress/system --build $(BUILD) --seconds 10' \
		layers='tests/layers && tests/layers --self-test' headers='tests/headers $(BUILD)' \
		pages='tests/pages $(BUILD)' \
		$(UNITS) $(CHECKASM) $(E2E) $(E2E_PYTHON); code=$$?; \
		echo "make check ran its tests for $$(($$(date +%s) - began)) seconds"; exit $$code

.PHONY: check-unit
check-unit: $(UNITS) ## Run the unit tests only
	$(Q)$(RUN) $(UNITS)

# What .ci/run adds to `check`, each in a build of its own.
.PHONY: check-sanitized check-thread check-long check-epoll
check-sanitized: tests ## With SAN=address,undefined: unit and end-to-end tests, and the stress
	$(Q)$(RUN) $(UNITS) $(CHECKASM) $(E2E) stress='tests/stress/system --build $(BUILD) --seconds 10'

check-thread: tests ## With SAN=thread: writer and readers as threads of one program, and the unit tests
	$(Q)LUMARING_TEST_IO=epoll $(RUN) $(UNITS) tests/e2e/test_lifecycle.py tests/e2e/test_hostile.py \
		tests/e2e/test_configure.py \
		threads='$(BUILD)/tests/stress_threads --seconds 30'

check-epoll: tests ## All tests where io_uring is forbidden: the daemon falls back to epoll
	$(Q)$(BUILD)/tests/forbid $(RUN) $(UNITS) $(E2E) stress='tests/stress/system --build $(BUILD) --seconds 10'

.PHONY: check-arm
check-arm: ## Install what is missing, build for 64-bit Arm, run unit tests and checkasm there (qemu's user mode)
	$(Q)tests/deps arm
	$(Q)tests/arm $(BUILD)/arm64

.PHONY: check-matrix
check-matrix: ## Build and test with each libcamera of Debian, unpacked and entered by chroot (root, minutes)
	$(Q)tests/deps matrix
	$(Q)tests/matrix $(BUILD)

.PHONY: check-libcamera
check-libcamera: ## The daemon on libcamera's virtual cameras, in a tree of Debian 13; also with sanitizers (root, minutes)
	$(Q)tests/deps native
	$(Q)tests/native/check $(BUILD)

.PHONY: check-packages
check-packages: ## Packages built, installed, used, purged on fresh Debian 12 and 13; also arm64, emulated (root, an hour)
	$(Q)tests/deps packages
	$(Q)tests/packages/check $(BUILD) $(SYSTEMS)

.PHONY: check-systemd
check-systemd: ## The service from packages of what is here, under a systemd of its own in namespaces (root, minutes)
	$(Q)tests/deps systemd
	$(Q)tests/systemd/check $(BUILD)

.PHONY: check-vm
check-vm: ## The daemon on a USB camera in a virtual 64-bit Arm machine (minutes); KERNEL=own for one with dma-heaps
	$(Q)tests/deps vm
	$(Q)tests/vm/check $(BUILD)

check-long: tests ## Longer stress, and mutants that must be caught
	$(Q)$(RUN) --jobs 1 stress='tests/stress/system --build $(BUILD) --seconds 60' \
		mutants='tests/stress/mutants --build $(BUILD) --all'

.PHONY: bench
bench: ## Measure, beside floors measured in the same run (minutes)
	$(Q)tests/deps bench
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(TOOLS)
	$(Q)BUILD=$(BUILD) tests/bench

.PHONY: bench-copy
bench-copy: ## Measure the copy kernels beside memcpy and the like (minutes); BENCH_COPY="--size 640x480 --kernel avx2"
	$(Q)tests/deps build $(if $(BENCH_COPY),,mca)
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) $(BUILD)/tests/bench_copy
	$(Q)BUILD=$(BUILD) tests/bench-copy $(BENCH_COPY)

.PHONY: demo
demo: ## Install what is missing, build, show it at work for some seconds; DEMO_CLIP=FILE for footage
	$(Q)tests/deps demo
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(TOOLS)
	$(Q)BUILD=$(BUILD) tests/demo

.PHONY: deps
deps: ## Install the Debian packages that are missing for all of the above, and for `make deb`
	$(Q)tests/deps check deb

# --- man pages -----------------------------------------------------------------------------------------------------

PAGE_SRC := $(wildcard client-lib/*.scd client-lib/cli/*.scd config/*.scd daemon/*.scd)
PAGES := $(patsubst %.scd,$(BUILD)/man/%,$(notdir $(PAGE_SRC)))
# Who looks for a function finds the page that has it: a link for each name but the first of the line below NAME.
PAGE_NAMES := $(shell sed -ns '/^\# NAME$$/,/ - /{/ - /{s/ - .*//;s/, /:/g;p;};}' $(filter %.3.scd,$(PAGE_SRC)))
names_of = $(subst :, ,$(1))
links_of = $(patsubst %,$(BUILD)/man/%.3,$(wordlist 2,99,$(names_of)))
PAGE_LINKS := $(foreach names,$(PAGE_NAMES),$(call links_of,$(names)))
MAN_PAGES := $(PAGES) $(PAGE_LINKS)

all: $(MAN_PAGES)

$(foreach page,$(PAGE_SRC),$(eval $(BUILD)/man/$(notdir $(page:.scd=)): $(page)))
$(PAGES): Makefile $(BUILD)/flags
	$(call say,MAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' -e 's|@VENDORDIR@|$(VENDORDIR)|' -e 's|@DOCDIR@|$(DOCDIR)|' \
		$(filter %.scd,$^) | SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(date -u -d $(VERSION_DATE) +%s)} scdoc > $@

$(foreach names,$(PAGE_NAMES),$(foreach link,$(call links_of,$(names)),\
	$(eval $(link): PAGE := $(firstword $(call names_of,$(names))))))
$(PAGE_LINKS): Makefile $(filter %.3.scd,$(PAGE_SRC))
	$(Q)mkdir -p $(@D)
	$(Q)echo '.so man3/$(PAGE).3' > $@

# --- install -------------------------------------------------------------------------------------------------------

INSTALL ?= install

# All that is installed: mode, directory and files of each call. $(1) is what is done with them.
define installed
	$(call $(1),755,$(SBINDIR),$(BUILD)/lumaringd)
	$(call $(1),755,$(BINDIR),$(BUILD)/lumaring)
	$(call $(1),755,$(LIBDIR),$(BUILD)/liblumaring.so.$(SOVERSION))
	$(call $(1),link,$(LIBDIR),$(BUILD)/liblumaring.so)
	$(call $(1),644,$(LIBDIR),$(BUILD)/liblumaring.a)
	$(call $(1),644,$(LIBDIR)/pkgconfig,$(BUILD)/lumaring.pc)
	$(call $(1),644,$(INCLUDEDIR)/lumaring,$(wildcard include/lumaring/*.h))
	$(foreach section,1 3 5 7 8,$(call $(1),644,$(MANDIR)/man$(section),$(filter %.$(section),$(MAN_PAGES)))
	)
	$(call $(1),644,$(UNITDIR),$(SERVICE_UNITS))
	$(call $(1),644,$(SYSUSERSDIR),$(SYSUSERS))
	$(call $(1),644,$(CATALOGDIR),$(wildcard systemd/*.catalog))
	$(call $(1),644,$(BASHCOMPDIR),$(COMPLETIONS))
	$(call $(1),644,$(VENDORDIR),config/lumaringd.json)
	$(call $(1),644,$(DOCDIR),README.md LICENSE $(filter %io.lumaring.Camera.varlink,$(VARLINK_SRC)))
	$(call $(1),644,$(PYTHONDIR)/lumaring,$(PYTHON_SRC))
	$(call $(1),644,$(PYTHONDIR)/lumaring-$(VERSION).dist-info,$(PYTHON_METADATA))
	$(call $(1),644,$(DOCDIR)/examples,$(wildcard config/examples/*.json systemd/examples/*.conf))
	$(call $(1),644,$(EXAMPLEDIR),$(wildcard client-lib/examples/*.[ch] client-lib/examples/*.py))
endef
put = $(if $(3),$(INSTALL) -d $(DESTDIR)$(2) && $(if $(filter link,$(1)),cp -P,$(INSTALL) -m $(1)) $(3) $(DESTDIR)$(2))
take = $(if $(3),rm -f $(addprefix $(DESTDIR)$(2)/,$(notdir $(3))))

# Users cannot keep what Python compiles, so that each of their programs would do it anew. Says where the package is.
python_ready = ! command -v $(PYTHON) >/dev/null || { $(PYTHON) -m compileall -q $(PYTHONDIR)/lumaring; \
	$(PYTHON) -c 'import sys; sys.exit(sys.argv[1] not in sys.path)' $(PYTHONDIR) && \
	echo 'The Python package is in $(PYTHONDIR)' || \
	echo 'The Python package is in $(PYTHONDIR), where Python does not look: export PYTHONPATH=$(PYTHONDIR)'; }

.PHONY: install
install: all ## Install below $(DESTDIR)$(PREFIX)
	$(call installed,put)
	$(if $(DESTDIR),,@$(python_ready))
	$(if $(DESTDIR),,@echo 'To use it: ldconfig, and for a service systemd-sysusers lumaring.conf; journalctl --update-catalog;' \
		'systemctl daemon-reload, all as root')

# Directories that are nobody else's go too, unless somebody put something there.
.PHONY: uninstall
uninstall: ## Remove what `make install` puts there; give it the same PREFIX and DESTDIR
	$(call installed,take)
	rm -rf $(DESTDIR)$(PYTHONDIR)/lumaring/__pycache__
	for dir in $(EXAMPLEDIR) $(DOCDIR)/examples $(DOCDIR) $(INCLUDEDIR)/lumaring $(VENDORDIR) $(PYTHONDIR)/lumaring \
		$(PYTHONDIR)/lumaring-$(VERSION).dist-info; do \
		[ ! -d $(DESTDIR)$$dir ] || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir; done

.PHONY: wheel
wheel: ## Install what is missing, build the Python package as a wheel, $(BUILD)/*.whl
	$(Q)tests/deps wheel
	$(Q)$(MAKE) --no-print-directory $(WHEEL)

.PHONY: deb
deb: ## Install what is missing, build Debian packages for this machine, $(BUILD)/*.deb
	$(Q)tests/deps deb
	$(Q)config/deb $(BUILD)

.PHONY: clean
clean: ## Remove what was built
	$(Q)rm -rf $(BUILD)

.PHONY: help
help: ## List the targets
	@echo 'make [V=1] [SAN=address,undefined | SAN=thread] [CC=clang] [CFLAGS=...] [LIBCAMERA=no]' \
		'[PREFIX=/usr/local] [DESTDIR=...] TARGET'
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 16

.PRECIOUS: $(BUILD)/obj/%.o
-include $(OBJECTS:.o=.d)
