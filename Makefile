# zimbra-init: everything that is built, tested and run. `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

VERSION := 0.1.0
PREFIX ?= /usr/local
DESTDIR ?=
B := build
# make's own default is cc, which CC ?= would not replace.
ifeq ($(origin CC),default)
CC := gcc
endif

# `make V=1` shows whole commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

ifneq ($(SANITIZE),)
B := build/san
# WORKER_TRAP: a worker's filter leaves the sanitizers what they need, and can name what it kills for.
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DWORKER_TRAP
HARDEN :=
else
SAN :=
HARDEN := -D_FORTIFY_SOURCE=3
endif

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wundef \
	-Wpointer-arith -Wcast-align -Wwrite-strings -Wold-style-definition -Wvla -Wnull-dereference \
	-Wdouble-promotion -Wimplicit-fallthrough -Wswitch-default -Wmissing-declarations \
	-Wno-missing-field-initializers
CFLAGS ?= -O2 -g
CFLAGS_ALL := -std=c17 -D_GNU_SOURCE -DVERSION='"$(VERSION)"' $(WARN) $(CFLAGS) $(SAN) $(HARDEN) \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -fno-strict-aliasing -pthread
LDFLAGS_ALL := $(LDFLAGS) $(SAN) -pie -Wl,-z,relro,-z,now -Wl,--as-needed
LIBS_FIREWALL := -lnftnl -lmnl
LIBS_WORKER := -lseccomp -lcap
LIBS := $(LIBS_FIREWALL) -lseccomp -lcap -ljansson

FIREWALL_SRC := $(wildcard firewall/*.c)
INIT_SRC := $(filter-out init/main.c,$(wildcard init/*.c init/boot/*.c init/zimbra/*.c))
ZCTL_SRC := $(wildcard init/zctl/*.c)
# For tests, benches and rescue: built, never installed.
FWCTL_SRC := $(wildcard init/fwctl/*.c)
# Workers are programs of their own: the contract, then a folder each.
WORKER_SRC := $(wildcard init/worker/*.c)
NETLOG_SRC := $(wildcard init/netlog/*.c)
WORKERS := $(B)/zimbra-netlog
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))

all: $(B)/zimbra-init $(B)/zctl $(B)/fwctl $(WORKERS) ## build the programs into build/

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# Thin archives with whole paths: files of two folders may have the same name. Made anew, or a removed file would stay.
$(B)/libfirewall.a: $(call obj,$(FIREWALL_SRC))
$(B)/libinit.a: $(call obj,$(INIT_SRC))
$(B)/libworker.a: $(call obj,$(WORKER_SRC))
$(B)/libnetlog.a: $(call obj,$(filter-out init/netlog/main.c,$(NETLOG_SRC)))
$(B)/libzctl.a: $(call obj,$(filter-out init/zctl/main.c,$(ZCTL_SRC)))
%.a:
	$(call say,AR,$@)
	@rm -f $@
	$(Q)$(AR) rcsDP --thin $@ $^

$(B)/zimbra-init: $(call obj,init/main.c) $(B)/libinit.a $(B)/libworker.a $(B)/libfirewall.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(B)/zctl: $(call obj,init/zctl/main.c) $(B)/libzctl.a $(B)/libinit.a $(B)/libworker.a $(B)/libfirewall.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(B)/fwctl: $(call obj,$(FWCTL_SRC)) $(B)/libzctl.a $(B)/libinit.a $(B)/libworker.a $(B)/libfirewall.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(B)/zimbra-netlog: $(call obj,init/netlog/main.c) $(B)/libnetlog.a $(B)/libworker.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_WORKER)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

install: all ## install the programs and manual pages below DESTDIR
	install -D -m 0755 $(B)/zimbra-init $(DESTDIR)$(PREFIX)/sbin/zimbra-init
	install -D -m 0755 $(B)/zctl $(DESTDIR)$(PREFIX)/bin/zctl
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/libexec/zimbra-init $(WORKERS)
	install -D -m 0644 -t $(DESTDIR)$(PREFIX)/share/man/man8 init/zimbra-init.8 init/zctl/zctl.8
	install -D -m 0644 init/zctl/zctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/zctl

clean: ## remove what was built
	rm -rf build

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.PHONY: all install clean help

-include tests/tests.mk
-include docker/docker.mk
