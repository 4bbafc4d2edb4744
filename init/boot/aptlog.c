#include "aptlog.h"

#include <stdio.h>
#include <string.h>

static bool starts(const char *line, const char *with)
{
	return strncmp(line, with, strlen(with)) == 0;
}

void apt_progress_start(struct apt_progress *p, bool bootstrap)
{
	*p = (struct apt_progress){.phase = bootstrap ? APT_UPDATE : APT_REMAINING, .bootstrap = bootstrap};
}

const char *apt_progress_doing(const struct apt_progress *p)
{
	switch (p->phase) {
	case APT_UPDATE:
		return "reading the package lists";
	case APT_DOWNLOAD:
		return "downloading";
	case APT_EXTRACT:
		return "unpacking the core";
	case APT_ESSENTIAL:
		return "installing the core";
	case APT_REMAINING:
		return p->unpacked + p->set_up == 0 ? "downloading" : "installing";
	case APT_CLEAN:
	default:
		return "cleaning up";
	}
}

static int share(unsigned done, unsigned of, int width)
{
	if (of == 0)
		return 0;
	return done >= of ? width : (int)((unsigned long)done * (unsigned)width / of);
}

/* Where each phase begins and how wide it is, in percent of the time: measured, see boot/README.md. */
static int percent_of(const struct apt_progress *p)
{
	unsigned steps = p->unpacked + p->set_up;

	if (!p->bootstrap)
		return share(p->got, p->total, 20) + share(steps, 2 * p->total, 79);
	switch (p->phase) {
	case APT_UPDATE:
		return 0;
	case APT_DOWNLOAD:
		return 6 + share(p->got, p->total, 9);
	case APT_EXTRACT:
		return 15;
	case APT_ESSENTIAL:
		return 22 + share(steps, 2 * p->total, 28);
	case APT_REMAINING:
		return 50 + share(p->got, p->total, 10) + share(steps, 2 * p->total, 37);
	case APT_CLEAN:
	default:
		return 98;
	}
}

/* mmdebstrap says where it is in lines of its own. */
static bool next_phase(struct apt_progress *p, const char *line)
{
	static const struct {
		const char *line;
		int phase;
	} mark[] = {
		{"I: running apt-get update", APT_UPDATE},  {"I: downloading packages", APT_DOWNLOAD},
		{"I: extracting archives", APT_EXTRACT},    {"I: installing essential", APT_ESSENTIAL},
		{"I: installing remaining", APT_REMAINING}, {"I: cleaning", APT_CLEAN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(mark); i++) {
		if (!starts(line, mark[i].line))
			continue;
		p->phase = mark[i].phase;
		/* The core is installed from what was downloaded before: the same number of packages. */
		if (p->phase != APT_EXTRACT && p->phase != APT_ESSENTIAL)
			p->total = 0;
		p->got = p->unpacked = p->set_up = 0;
		return true;
	}
	return false;
}

/* "Unpacking libc6:amd64 (2.36-9) ..." */
static void take_package(struct apt_progress *p, const char *name)
{
	(void)snprintf(p->package, sizeof(p->package), "%.*s", (int)strcspn(name, " :"), name);
}

bool apt_progress_line(struct apt_progress *p, const char *line)
{
	unsigned upgraded, installed;
	int before = p->percent, now;
	bool phase = p->bootstrap && next_phase(p, line);

	if (sscanf(line, "%u upgraded, %u newly installed", &upgraded, &installed) == 2) {
		p->total = upgraded + installed;
	} else if (starts(line, "Get:")) {
		p->got++;
	} else if (starts(line, "Unpacking ")) {
		p->unpacked++;
		take_package(p, line + strlen("Unpacking "));
	} else if (starts(line, "Setting up ")) {
		p->set_up++;
		take_package(p, line + strlen("Setting up "));
	}
	now = percent_of(p);
	if (now > p->percent)
		p->percent = now;
	return phase || p->percent != before;
}

static enum apt_trouble trouble_of(const char *line)
{
	static const struct {
		const char *words;
		enum apt_trouble trouble;
	} sign[] = {
		/* Strongest first. Texts of apt, its http and gpgv methods, gpgv, tar and dpkg. */
		{"No space left on device", APT_NO_SPACE},
		{"Disk quota exceeded", APT_NO_SPACE},
		{"You don't have enough free space", APT_NO_SPACE},
		{"E: mount failed", APT_NO_MOUNT},
		{"unshare --mount failed", APT_NO_MOUNT},
		{"NO_PUBKEY", APT_UNKNOWN_KEY},
		{"BADSIG", APT_BAD_SIGNATURE},
		{"EXPKEYSIG", APT_BAD_SIGNATURE},
		{"REVKEYSIG", APT_BAD_SIGNATURE},
		{"Clearsigned file isn't valid", APT_BAD_SIGNATURE},
		{"Hash Sum mismatch", APT_HASH},
		{"File has unexpected size", APT_HASH},
		{"is not valid yet", APT_CLOCK},
		{"is expired (invalid since", APT_CLOCK},
		{"Certificate verification failed", APT_CERTIFICATE},
		{"certificate verification failed", APT_CERTIFICATE},
		{"No system certificates available", APT_CERTIFICATE},
		{"Unable to locate package", APT_NO_PACKAGE},
		{"has no installation candidate", APT_NO_PACKAGE},
		{"does not have a Release file", APT_NOT_FOUND},
		{"  404  Not Found", APT_NOT_FOUND},
		{"  403  Forbidden", APT_NOT_FOUND},
		{"  400  Bad Request", APT_NOT_FOUND},
		{"Could not resolve", APT_NETWORK},
		{"Temporary failure resolving", APT_NETWORK},
		{"Could not connect to", APT_NETWORK},
		{"Unable to connect to", APT_NETWORK},
		{"Network is unreachable", APT_NETWORK},
		{"Connection timed out", APT_NETWORK},
		{"Connection failed", APT_NETWORK},
		{"is not signed", APT_UNSIGNED},
		{"E: Failed to fetch", APT_NETWORK},
		{"dpkg: error processing", APT_OTHER},
		{"E: Sub-process", APT_OTHER},
	};

	for (size_t i = 0; i < ARRAY_SIZE(sign); i++)
		if (strstr(line, sign[i].words))
			return sign[i].trouble;
	return starts(line, "E: ") ? APT_OTHER : APT_NO_TROUBLE;
}

void apt_cause_note(struct apt_cause *c, const char *line)
{
	enum apt_trouble t = trouble_of(line);

	/* Of two lines that say the same, the one that names the address. */
	if (t < c->trouble || t == APT_NO_TROUBLE ||
	    (t == c->trouble && (strstr(c->line, "://") || !strstr(line, "://"))))
		return;
	/* "Ign:" is a try of several: only what is left in the end counts. */
	if (starts(line, "Ign:"))
		return;
	c->trouble = t;
	line += strspn(line, " ");
	if (starts(line, "E: ") || starts(line, "W: "))
		line += 3;
	(void)snprintf(c->line, sizeof(c->line), "%s", line);
}

#define MIRRORS "ZIMBRA_OS_MIRROR and ZIMBRA_OS_SECURITY_MIRROR"

int apt_cause_explain(const struct apt_cause *c, const char *what, struct failure *f)
{
	static const struct {
		const char *why, *remedy;
	} say[] = {
		[APT_NO_TROUBLE] = {"the program failed without saying why", "look at the lines above (zctl log)"},
		[APT_OTHER] = {"a program failed", "look at the lines above (zctl log)"},
		[APT_UNSIGNED] = {"the mirror's package lists are not signed",
				  "use a mirror that carries InRelease or Release.gpg: " MIRRORS},
		[APT_NETWORK] =
			{"the mirror cannot be reached",
			 "check the container's network and DNS (docker run --dns ADDRESS) and the proxy (http_proxy); "
			 "or name another mirror: " MIRRORS},
		[APT_NOT_FOUND] = {"the mirror does not have this suite",
				   "check the URL, which ends where dists/ begins, and the suite: " MIRRORS
				   ", ZIMBRA_OS_SUITE"},
		[APT_NO_PACKAGE] = {"the mirror does not have a package that Zimbra needs",
				    "use a complete mirror (Ubuntu: with the component universe): " MIRRORS},
		[APT_CERTIFICATE] =
			{"the mirror's TLS certificate is not trusted",
			 "use a mirror with a certificate of a public authority, or an http:// one (packages are "
			 "signed anyway): " MIRRORS},
		[APT_CLOCK] = {"the package lists are from another time",
			       "set the clock of the host; if it is right, the mirror is stale: " MIRRORS},
		[APT_HASH] = {"the mirror sends other files than its signed list says",
			      "it is being updated (wait), or a proxy in between serves old files; or name another "
			      "mirror: " MIRRORS},
		[APT_BAD_SIGNATURE] =
			{"the signature of the package lists is not valid: damaged or forged",
			 "do not work around it; check what lies between this host and the mirror, or name another "
			 "one: " MIRRORS},
		[APT_UNKNOWN_KEY] =
			{"the package lists are signed with a key that is not trusted for this suite",
			 "for a mirror with a key of its own: mount its keyring and name it in ZIMBRA_OS_KEYRING; "
			 "otherwise check " MIRRORS},
		[APT_NO_MOUNT] =
			{"the container may not mount",
			 "docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined (SELinux: --security-opt "
			 "label=disable); Kubernetes: securityContext.capabilities.add: [SYS_ADMIN] and "
			 "appArmorProfile: {type: Unconfined}"},
		[APT_NO_SPACE] = {"the volume is full", "free space on the volume's disk, or give it a larger one"},
	};

	return failure_set(f, c->trouble == APT_NO_MOUNT ? FAILURE_FATAL : FAILURE_RETRY, say[c->trouble].remedy,
			   "%s: %s%s%s", what, say[c->trouble].why, c->line[0] ? "\n" : "", c->line);
}
