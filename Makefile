# SPDX-License-Identifier: BSD-3-Clause
#
#   make                 builds build/forebay-server and build/forebay; installs what is missing for it first (deps/packages)
#   make run             builds and runs it on 127.0.0.1:6379 with its data in ./data; ARGS='--port 7000' adds flags
#   make test            builds and runs all tests; the last line is "N passed, N failed"; ALSO='address thread'
#                        adds the unit tests of these sanitizers, TEST_ARGS='-k zadd' goes to pytest
#   make unit            builds and runs the unit tests alone; UNIT=stream those of one folder
#   make lint            layout, static analysis, and the arrows between folders; make format mends the layout
#   make fuzz            FUZZ_SECONDS=60 of every fuzzer of tests/fuzz
#   make soak, bench     long runs, and ratios against the peers that are installed; make soak SANITIZE=thread tells
#                        all stories to a server built so, ARGS='tests/command -k zadd' some of them
#   make install         into $(DESTDIR)$(PREFIX)
#
#   SANITIZE=address (with undefined), undefined or thread, or DEBUG=1, build the same into build/<variant>/; so does
#   HOLDS=1, which measures for how long partitions are held (tests/soak/longest_holds.py).

comma := ,
# V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
AR ?= ar

VARIANT := $(or $(SANITIZE),$(if $(DEBUG),debug),$(if $(HOLDS),holds),release)
BUILD := build/$(VARIANT)
SERVER := $(if $(filter release,$(VARIANT)),build/forebay-server,$(BUILD)/forebay-server)
TOOL := $(dir $(SERVER))forebay

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(WERROR),-Werror)
OPTIMIZE := -O2
LIBRARIES := -lev -lrocksdb -llz4 -lisal -lssl -lcrypto -lxxhash -lluajit-5.1 -lpthread -lm
ALLOCATOR := -ljemalloc

ifeq ($(VARIANT),debug)
OPTIMIZE := -O1 -DFOREBAY_DEBUG
endif
ifeq ($(VARIANT),holds)
OPTIMIZE += -DFOREBAY_HOLDS -fsanitize-coverage=trace-pc
endif
ifneq ($(SANITIZE),)
OPTIMIZE := -O1 -DFOREBAY_DEBUG
SANITIZER := -fsanitize=$(SANITIZE)$(if $(filter address,$(SANITIZE)),$(comma)undefined) -fno-sanitize-recover=all
endif
# These two bring an allocator of their own, and memory.c relies on its habits.
ifneq ($(filter address thread,$(SANITIZE)),)
OPTIMIZE += -DFOREBAY_NO_JEMALLOC
ALLOCATOR :=
endif
# gcc warns that fences are not understood; what uses them is written so that it need not be.
ifeq ($(SANITIZE),thread)
SANITIZER += $(if $(findstring clang,$(CC)),,-Wno-tsan)
endif

# CFLAGS and LDFLAGS of the caller come last, and so have the last word.
COMPILE = $(CC) -Isrc -std=gnu11 $(OPTIMIZE) -g -fno-omit-frame-pointer $(WARNINGS) $(SANITIZER) $(CPPFLAGS) $(CFLAGS)
LINK = $(CC) -Wl,--as-needed -rdynamic $(SANITIZER) $(LDFLAGS)

# The folders of src, each an archive. A folder's unit tests are linked with it and with what stands below it, so
# that they can be built while something above is broken.
FOLDERS := base resp net object script keyspace stream tier command replication metrics server
below_resp := base
below_net := base
below_object := base
below_script := base
below_keyspace := object base
below_stream := resp base
below_tier := keyspace stream object resp base
below_command := keyspace stream script object resp base
below_replication := command keyspace stream script net object resp base
below_metrics := net base
below_server := replication command metrics tier keyspace stream net script object resp base

present = $(foreach folder,$(1),$(if $(filter-out src/server/main.c,$(wildcard src/$(folder)/*.c)),$(folder)))
archives = $(foreach folder,$(call present,$(1)),$(BUILD)/lib/$(folder).a)
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

MAIN := $(wildcard src/server/main.c)
# The operator's program, of the folders below it.
TOOL_SOURCES := $(wildcard src/tool/*.c)
below_tool := replication $(below_replication)
UNIT_FOLDERS := $(filter $(or $(UNIT),$(FOLDERS)),$(FOLDERS))
UNIT_SOURCES := $(foreach folder,$(UNIT_FOLDERS),$(wildcard tests/unit/$(folder)/*_test.c))
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SOURCES))
# Shared by unit tests: fakes and story helpers.
TEST_LIBRARY := $(if $(wildcard tests/lib/*.c),$(BUILD)/lib/testlib.a)

.PHONY: all deps packages packages-test packages-lint run test test-programs unit unit-programs fuzz \
    fuzz-programs soak bench lint format install clean
.SECONDARY:
.DELETE_ON_ERROR:

all: $(if $(MAIN),$(SERVER) $(TOOL),$(call archives,$(FOLDERS)))

deps:
	@deps/install run test lint

packages:
	@deps/install run
packages-test:
	@deps/install run test
packages-lint:
	@deps/install run lint

$(BUILD)/obj/%.o: %.c | packages
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/obj/tests/%.o: tests/%.c | packages-test
	@mkdir -p $(@D)
	$(call say,CC   $<)
	$(Q)$(COMPILE) -Itests -MMD -MP -c -o $@ $<

# The directory is a prerequisite because its time changes when a file is removed from it.
define archive_rule
$(BUILD)/lib/$(1).a: $(call objects,$(filter-out src/server/main.c,$(wildcard $(2)/*.c))) $(2)
	@mkdir -p $$(@D)
	@rm -f $$@.new
	$$(call say,AR   $$@)
	$(Q)$(AR) rcs $$@.new $$(filter %.o,$$^)
	@mv $$@.new $$@
endef
$(foreach folder,$(call present,$(FOLDERS)),$(eval $(call archive_rule,$(folder),src/$(folder))))
$(if $(TEST_LIBRARY),$(eval $(call archive_rule,testlib,tests/lib)))

$(SERVER): $(call objects,$(MAIN)) $(call archives,$(FOLDERS))
	$(call say,LINK $@)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBRARIES) $(ALLOCATOR)

$(TOOL): $(call objects,$(TOOL_SOURCES)) $(call archives,$(below_tool))
	$(call say,LINK $@)
	$(Q)$(LINK) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBRARIES) $(ALLOCATOR)

define unit_rule
$(BUILD)/unit/$(1)/%_test: $(BUILD)/obj/tests/unit/$(1)/%_test.o $(TEST_LIBRARY) $(call archives,$(1) $(below_$(1)))
	@mkdir -p $$(@D)
	$$(call say,LINK $$@)
	$(Q)$(LINK) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
	    -lcmocka $(LIBRARIES) $(ALLOCATOR)
endef
$(foreach folder,$(FOLDERS),$(eval $(call unit_rule,$(folder))))

unit-programs: $(UNIT_PROGRAMS)

unit: unit-programs
	@$(PYTHON) tests/run --unit-only --programs $(UNIT_PROGRAMS)

run: all
	@mkdir -p data
	exec $(SERVER) $(wildcard conf/forebay.conf) --dir ./data $(ARGS)

test-programs: packages-test all unit-programs
	@for variant in $(ALSO); do $(MAKE) --no-print-directory SANITIZE=$$variant unit-programs || exit 1; done

# RocksDB is not built for the thread sanitizer, which then takes its inner accesses for races.
BEYOND_THREAD_SANITIZER = $(BUILD)/unit/tier/%

test: test-programs
	@FOREBAY_SERVER=$(abspath $(SERVER)) $(PYTHON) tests/run --programs $(UNIT_PROGRAMS) \
	    $(foreach variant,$(ALSO),$(patsubst $(BUILD)/%,build/$(variant)/%,$(if $(filter thread,$(variant)),$(filter-out $(BEYOND_THREAD_SANITIZER),$(UNIT_PROGRAMS)),$(UNIT_PROGRAMS)))) -- $(TEST_ARGS)

# Every tests/fuzz/*_fuzz.c for some time, instrumented by clang.
FUZZ_SECONDS ?= 60
FUZZ_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_FOLDERS ?= base resp net object script keyspace stream tier command replication

$(BUILD)/fuzz/%_fuzz: $(BUILD)/obj/tests/fuzz/%_fuzz.o $(call archives,$(FUZZ_FOLDERS))
	@mkdir -p $(@D)
	$(call say,LINK $@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBRARIES)

fuzz-programs: $(FUZZ_PROGRAMS)

fuzz: packages-lint
	@$(MAKE) --no-print-directory CC=clang SANITIZE=address BUILD=build/fuzz CFLAGS=-fsanitize=fuzzer-no-link fuzz-programs
	@for program in $(patsubst $(BUILD)/%,build/fuzz/%,$(FUZZ_PROGRAMS)); do \
	    tests/fuzz/plant $$program $$program.corpus; \
	    $$program -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=$$program. $$program.corpus || exit 1; \
	done

soak: packages-test all
	FOREBAY_SERVER=$(abspath $(SERVER)) tests/soak/$(if $(SANITIZE),sanitized,run) $(ARGS)

bench: packages-test all
	FOREBAY_SERVER=$(abspath $(SERVER)) tools/bench $(ARGS)

LINT_SOURCES = $(wildcard src/*/*.c tests/unit/*/*.c tests/fuzz/*.c tests/lib/*.c)
LINT_HEADERS = $(wildcard src/*/*.h tests/lib/*.h)

lint: packages-lint packages-test
	@tools/arrows --quiet
	clang-format --dry-run -Werror $(LINT_SOURCES) $(LINT_HEADERS)
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability \
	    --suppress=missingIncludeSystem -j2 -Isrc src
	printf '%s\n' $(filter src/%,$(LINT_SOURCES)) | \
	    xargs -P2 -n4 sh -c 'clang-tidy --quiet "$$@" -- -std=gnu11 -Isrc 2>/dev/null' clang-tidy

format: packages-lint
	clang-format -i $(LINT_SOURCES) $(LINT_HEADERS)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/forebay
	install -m 755 $(SERVER) $(DESTDIR)$(PREFIX)/bin/forebay-server
	install -m 755 $(TOOL) $(DESTDIR)$(PREFIX)/bin/forebay
	install -m 644 LICENSE $(wildcard conf/forebay.conf) $(DESTDIR)$(PREFIX)/share/forebay/

clean:
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
