/*
 * The router of this container. Where the engine translates addresses (docker -p through its proxy, kube-proxy with
 * externalTrafficPolicy Cluster), all clients come from it: it must be neither limited nor banned.
 */
#pragma once

#include "../firewall/firewall.h"

/*
 * Pure. Adds the gateways of the default routes in the text of /proc/net/route (proc(5); addresses in the byte order of
 * the machine) and /proc/net/ipv6_route. Lines that are none are skipped. -E2BIG: no room for all.
 */
int gateway_parse(const char *route, const char *route6, struct fw_prefixes *out);

/* The same, of this network namespace; what cannot be read has no gateway. */
int gateway_read(struct fw_prefixes *out);
