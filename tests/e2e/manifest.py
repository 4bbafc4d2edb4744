"""What is on a volume, name by name, and what may differ between two installations of the same."""

import hashlib
import os
import re
import stat

# Whole names (regular expressions). Everything else has to be the same: kind, mode, owner, content, file capabilities.
# A file whose content may differ still has to be there, with the same kind, mode and owner.
CONTENT = [
    (r"tmp/.*", "links to logs with a time in their name"),
    (r"var/log/.*|opt/zimbra/log/.*|opt/zimbra/\.install_history", "logs"),
    (r"app/\.state/journal", "times of the stages"),
    (r"app/\.state/(admin-password|mailbox-suffix)", "generated"),
    (r"opt/zimbra/conf/(ca/ca\.(key|pem)|[a-z]+\.(crt|key)|dhparam\.pem)|opt/zimbra/(ssl|mailboxd)/.*", "keys and certificates"),
    (r"opt/zimbra/data/(dovecot|ldap|postfix|sasl2)/.*|opt/zimbra/store/.*", "databases, and what servers write while they run"),
    (r"etc/postfix/dynamicmaps\.cf|etc/sasldb2", "order of installation, times"),
    (r"etc/(shadow|shadow-|passwd-|group-|gshadow-|subuid-|subgid-)", "random passwords, and the backups of such files"),
    (r"etc/hosts", "the container's address"),
    (r"etc/machine-id|var/lib/dbus/machine-id", "random"),
    (r"etc/ssl/(certs/ssl-cert-snakeoil\.pem|private/ssl-cert-snakeoil\.key)|etc/ssl/certs/[0-9a-f]{8}\.\d", "generated keys"),
    (r"var/cache/(ldconfig/aux-cache|debconf/.*|apt/.*|man/.*)", "caches with times"),
    (r"var/lib/(apt/.*|dpkg/(status|status-old|statoverride-old|available)|systemd/.*|ucf/.*|logrotate/status|sysstat/.*)",
     "times, order of installation"),
]
# Settings whose generated passwords and addresses differ, and nothing else.
BLANKED = r"opt/zimbra/conf/(localconfig\.xml|dovecot-ldap\.conf|ldap-[a-z]+\.cf)|opt/zimbra/common/conf/main\.cf"
# Names that only one of two volumes may have.
NAMES = [
    (r"tmp/.*", "what apt and the installers leave there when they are killed"),
    (r"opt/zimbra/log/.*|var/log/.*", "logs with a time in their name"),
    (r"opt/zimbra/config\.\d+", "zmsetup's answers, with its pid in the name"),
    (r"opt/zimbra/(data|store)/.*", "what the servers write while they run: queues, indexes, locks"),
    (r"var/lib/(apt|dpkg/updates|systemd|ucf)/.*|var/cache/.*|var/backups/.*", "of apt and dpkg"),
]


def _xattr(path):
    try:
        return os.getxattr(path, "security.capability", follow_symlinks=False).hex()
    except OSError:
        return ""


def _blank(text):
    text = re.sub(rb'(<key name="\w*(?:password|secret)\w*">\s*<value>)[^<]*', rb"\1", text)
    text = re.sub(rb"(?m)^(\s*(?:bind_pw|dnpass|.*password)\s*=).*", rb"\1", text)
    return re.sub(rb"\b\d+\.\d+\.\d+\.\d+\b|\[?\b[0-9a-f]{1,4}:[0-9a-f:]+[0-9a-f:]", b"ADDRESS", text)


def _one(path, blank):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    content = ""
    if stat.S_ISLNK(st.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(st.st_mode):
        with open(path, "rb") as f:
            content = hashlib.sha256(_blank(f.read())).hexdigest() if blank else hashlib.file_digest(f, "sha256").hexdigest()
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        content = str(st.st_rdev)
    return {"kind": kind, "mode": oct(stat.S_IMODE(st.st_mode)), "owner": (st.st_uid, st.st_gid), "content": content,
            "capability": _xattr(path)}


def of(root):
    """{name: facts}, of a volume that nobody writes on."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            short = os.path.relpath(path, root)
            found[short] = _one(path, bool(re.fullmatch(BLANKED, short)))
    return found


def _matches(name, table):
    return any(re.fullmatch(pattern, name) for pattern, *_ in table)


def differences(a, b):
    """Lines that say where two volumes differ and should not."""
    lines = []
    for name in sorted(set(a) | set(b)):
        if name not in a or name not in b:
            if not _matches(name, NAMES):
                lines.append(f"only {'first' if name in a else 'second'}: {name}")
            continue
        for fact in a[name]:
            if a[name][fact] != b[name][fact] and not (fact == "content" and _matches(name, CONTENT)):
                lines.append(f"{fact}: {name}: {str(a[name][fact])[:40]} != {str(b[name][fact])[:40]}")
    return lines
