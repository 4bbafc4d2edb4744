"""The packet filters that ours is measured beside, each as the commands that set it up in the current network namespace."""

PUBLIC = [25, 80, 110, 143, 443, 465, 587, 993, 995, 5222, 5223]

# griffinplus/zimbra, configure_firewall: one call of iptables and ip6tables per rule. As shipped its guard is the wrong way
# round and nothing is ever loaded; these are the rules that it would load.
_FLAGS = ["ACK,FIN FIN", "ACK,PSH PSH", "ACK,URG URG", "FIN,RST FIN,RST", "SYN,FIN SYN,FIN", "SYN,RST SYN,RST", "ALL ALL", "ALL NONE",
          "ALL FIN,PSH,URG", "ALL SYN,FIN,PSH,URG", "ALL SYN,RST,ACK,FIN,URG"]


def _ancestor(v6):
    icmp = "ipv6-icmp" if v6 else "icmp"
    kind = "--icmpv6-type" if v6 else "--icmp-type"
    accepted = [1, 2, 3, 4, *range(129, 137), 151, 152, 153] if v6 else [0, 3, 11, 12]
    echo = 128 if v6 else 8
    rules = []
    if v6:
        rules += [("raw", "PREROUTING -m rt --rt-type 0 -j DROP"), ("mangle", "POSTROUTING -m rt --rt-type 0 -j DROP")]
    rules += [("raw", f"PREROUTING ! -i lo -s {'::1/128' if v6 else '127.0.0.0/8'} -j DROP")]
    rules += [("raw", f"PREROUTING -p tcp --tcp-flags {f} -j DROP") for f in _FLAGS]
    rules += [("mangle", "PREROUTING -m conntrack --ctstate INVALID -j DROP"),
              ("mangle", "PREROUTING -p tcp ! --syn -m conntrack --ctstate NEW -j DROP")]
    rules += [("filter", f"AllowICMP -p {icmp} {kind} {t} -j ACCEPT") for t in accepted]
    rules += [("filter", f"AllowICMP -p {icmp} {kind} {echo} -m limit --limit 5/s --limit-burst 10 -j ACCEPT"),
              ("filter", "AllowICMP -j DROP"),
              ("filter", "INPUT -i lo -j ACCEPT"),
              ("filter", "INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")]
    rules += [("filter", f"INPUT -p tcp --dport {p} -j ACCEPT") for p in PUBLIC]
    rules += [("filter", f"INPUT -p {icmp} -j AllowICMP"), ("filter", "INPUT -j DROP")]
    return rules


def ancestor_calls():
    """A shell script: the calls one by one."""
    lines = ["set -e"]
    for program, v6 in (("iptables", False), ("ip6tables", True)):
        lines.append(f"{program} -N AllowICMP")
        lines += [f"{program} -t {table} -A {rule}" for table, rule in _ancestor(v6)]
    return "\n".join(lines)


def ancestor_restore():
    """The same rules as two files for iptables-restore and ip6tables-restore."""
    def one(v6):
        rules = _ancestor(v6)
        text = []
        for table in ("raw", "mangle", "filter"):
            text.append(f"*{table}")
            if table == "filter":
                text.append(":AllowICMP - [0:0]")
            text += [f"-A {rule}" for t, rule in rules if t == table]
            text.append("COMMIT")
        return "\n".join(text) + "\n"

    return one(False), one(True)


def floor():
    """The least that drops: what no rule set can beat."""
    return "table inet floor {\n chain pre {\n  type filter hook prerouting priority -300\n  drop\n }\n}\n"


def nft_bans(name, elements, interval=False):
    """A list of banned sources as people write it for nft."""
    flags = " flags interval;" if interval else ""
    return (f"table inet {name} {{\n set bans {{ type ipv4_addr;{flags} elements = {{ {', '.join(elements)} }} }}\n"
            " chain pre {\n  type filter hook prerouting priority -300\n  ip saddr @bans drop\n }\n}\n")


def ipset_bans(elements):
    """(text for ipset restore, the rule that uses it)."""
    lines = [f"create bans hash:ip maxelem {max(65536, 2 * len(elements))}", *(f"add bans {e}" for e in elements)]
    return "\n".join(lines) + "\n", "iptables -t raw -A PREROUTING -m set --match-set bans src -j DROP"
