# The image of zimbra-init. Built by `make image`; every classic builder and BuildKit will do (no frontend is fetched).
# The jail (Ubuntu or Debian with Zimbra) is not in here: zimbra-init puts it on the volume.
ARG BASE_IMAGE=debian:bookworm-slim

# ---- the programs, compiled against the libraries that the final stage has
FROM ${BASE_IMAGE} AS builder
COPY docker/packages.sh /usr/local/bin/packages.sh
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get --quiet update; \
    apt-get --quiet --yes --no-install-recommends install $(bash /usr/local/bin/packages.sh --list build); \
    rm --recursive --force /var/lib/apt/lists/*
COPY . /src
WORKDIR /src
# Stripped here and not by the Makefile: its -g is for those who debug on their own machine.
RUN set -eu; \
    make --jobs="$(nproc)" all; \
    make install DESTDIR=/out PREFIX=/usr; \
    find /out -type f -perm /0111 -exec strip --strip-unneeded {} +; \
    find /out -exec touch --no-dereference --date=@0 {} +

# ---- what runs
FROM ${BASE_IMAGE}
# mmdebstrap, apt, gpgv and the unpackers bootstrap the jail; gpg takes single keys out of a keyring by their full fingerprint.
# ubuntu-keyring is taken where the base has such a package (Ubuntu; Debian has it outside bookworm only): without it zimbra-init
# fetches the archive's own keyring package and checks its keys against the fingerprints in its source.
# Neither nft nor iptables: the rule set goes over netlink, and a program that changes it would serve an intruder alone.
RUN set -eu; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get --quiet update; \
    keyring=; \
    for name in ubuntu-keyring ubuntu-archive-keyring; do \
        if apt-cache show --no-all-versions "$name" 2>/dev/null | grep --quiet '^Filename:'; then keyring=$name; break; fi; \
    done; \
    apt-get --quiet --yes --no-install-recommends install \
        apt ca-certificates debian-archive-keyring gpg gpgv mmdebstrap mount xz-utils zstd \
        libcap2 libjansson4 libmnl0 libnftnl11 libseccomp2 $keyring; \
    apt-get clean; \
    rm --recursive --force /var/lib/apt/lists/* /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
        /var/log/apt /var/log/dpkg.log /var/log/alternatives.log /var/log/bootstrap.log; \
    for name in nft iptables ip6tables iptables-nft iptables-legacy; do \
        if command -v "$name"; then echo "$name must not be in this image" >&2; exit 1; fi; \
    done
COPY --from=builder /out/ /
# A library that the list above forgot is found here, and not by the first user.
RUN set -eu; \
    if ldd /usr/sbin/zimbra-init /usr/bin/zctl /usr/libexec/zimbra-init/* | grep 'not found'; then echo "a library is missing in this image" >&2; exit 1; fi

LABEL org.opencontainers.image.title="zimbra-init" \
      org.opencontainers.image.description="Zimbra in one container: supervised, firewalled, installed on a volume at the first start" \
      org.opencontainers.image.licenses="MIT"

# The ancestor's ports and 9071. 7071 and 9071 answer nobody but FIREWALL_ADMIN_FROM.
EXPOSE 25 80 110 143 443 465 587 993 995 5222 5223 7071 9071

# No VOLUME line, on purpose: with one, Docker makes an anonymous volume when --volume was forgotten, and the mail is gone with
# `docker rm --volumes` or the next `docker run`. Without one zimbra-init sees that /data is no mount, and says what is missing.

STOPSIGNAL SIGTERM
# Live, not ready: a first start that installs for half an hour is healthy. The start period covers the time before PID 1 answers.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["/usr/bin/zctl", "health"]
ENTRYPOINT ["/usr/sbin/zimbra-init"]
CMD ["run"]
