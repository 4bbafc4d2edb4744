# Included by the Makefile at the top: every test, by wildcard. What runs and how it is counted: tests/run.sh.

SOAK ?=
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang
LIB_ARCHIVES = $(B)/libinit.a $(B)/libzctl.a $(B)/libnetlog.a $(B)/libworker.a $(B)/libfirewall.a

# One program per tests/unit/test_*.c. Archives, not objects: a test may bring its own version of a function, as long as it
# brings all that is used of that object file.
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
REPLAY_PROGRAMS := $(FUZZ_NAMES:%=$(B)/tests/replay_%)
# Small programs for the inside of a container: static, so that they run in any root, and never sanitized.
E2E_PROGRAMS := $(patsubst tests/e2e/%.c,build/tests/e2e/%,$(wildcard tests/e2e/*.c))

$(B)/obj/tests/%.o: CFLAGS_ALL += -I.

$(UNIT_PROGRAMS): $(B)/tests/%: $(B)/obj/tests/unit/%.o $(LIB_ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(LIB_ARCHIVES) -Wl,--end-group -lcmocka $(LIBS)

$(REPLAY_PROGRAMS): $(B)/tests/replay_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay.o $(LIB_ARCHIVES)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(LIB_ARCHIVES) -Wl,--end-group $(LIBS)

NET_PROGRAMS := $(B)/tests/fw-driver $(B)/tests/fw-session-driver
$(NET_PROGRAMS): $(B)/tests/%: $(B)/obj/tests/net/%.o $(B)/libfirewall.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_FIREWALL)

# As installed: the workers are found from where the program is that starts them.
$(B)/tests/sbin/netlog-driver: $(B)/obj/tests/net/netlog-driver.o $(B)/libinit.a $(B)/libworker.a $(B)/libfirewall.a
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(B)/tests/libexec/zimbra-init/%: $(B)/%
	@mkdir -p $(@D)
	$(Q)install $< $@
worker-programs: $(B)/tests/sbin/netlog-driver $(B)/tests/libexec/zimbra-init/zimbra-netlog $(B)/tests/test_worker_confine

$(E2E_PROGRAMS): build/tests/e2e/%: tests/e2e/%.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE $(WARN) $(CFLAGS) -static -o $@ $<

unit-programs: $(UNIT_PROGRAMS) $(REPLAY_PROGRAMS)
net-programs: $(NET_PROGRAMS) $(B)/fwctl worker-programs
e2e-programs: $(E2E_PROGRAMS)

# The runner calls make itself; a jobserver or flags of this one are not for it.
RUN_TESTS = MAKEFLAGS= MFLAGS= CC='$(CC)' SOAK='$(SOAK)' tests/run.sh

test: ## unit, network and end-to-end tests (TEST_SEED= repeats a run)
	@$(RUN_TESTS) unit net e2e
unit: ## only the unit tests and the corpora of the fuzz targets
	@$(RUN_TESTS) unit
net: ## only the network tests
	@$(RUN_TESTS) net
e2e: ## only the end-to-end tests: image, lab release, real engine
	@$(RUN_TESTS) e2e
soak: ## all tests with the big counts (hours)
	@$(MAKE) --no-print-directory test SOAK=1

# --- fuzzing: everything compiled once more, with clang and coverage ---------------------------------------------

FUZZ_FLAGS := -std=c17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -O1 -g -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_OBJ := $(patsubst %.c,build/fuzz/obj/%.o,$(FIREWALL_SRC) $(INIT_SRC) $(WORKER_SRC) \
	$(filter-out %/main.c,$(ZCTL_SRC) $(NETLOG_SRC)))
FUZZ_PROGRAMS := $(FUZZ_NAMES:%=build/fuzz/fuzz_%)

build/fuzz/obj/%.o: %.c Makefile tests/tests.mk
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
build/fuzz/lib.a: $(FUZZ_OBJ)
$(FUZZ_PROGRAMS): build/fuzz/fuzz_%: build/fuzz/obj/tests/fuzz/fuzz_%.o build/fuzz/lib.a
	$(call say,LD,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)
fuzz-programs: $(FUZZ_PROGRAMS)
-include $(shell find build/fuzz/obj -name '*.d' 2>/dev/null)

fuzz: ## run every fuzz target (FUZZ_SECONDS=60 each, FUZZ=name for one)
	@docker/packages.sh build fuzz
	@MAKEFLAGS= MFLAGS= FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/fuzz/run.sh $(or $(FUZZ),$(FUZZ_NAMES))

# --- the rest ----------------------------------------------------------------------------------------------------

lint: ## formatting, clang-tidy, shellcheck, include directions, a build with clang
	@docker/packages.sh build test lint fuzz
	@MAKEFLAGS= MFLAGS= tests/lint.sh

format: ## clang-format over all C files, in place
	@find init knock tls firewall tests -name '*.[ch]' 2>/dev/null | xargs clang-format -i

bench: ## PID 1 beside other inits, the bootstrap beside mmdebstrap, the firewall beside iptables, nft and ipset
	@CC='$(CC)' tests/bench/run.sh

.PHONY: test unit net e2e soak fuzz lint format bench unit-programs net-programs worker-programs e2e-programs \
	fuzz-programs
.SECONDARY:
