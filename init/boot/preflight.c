/*
 * Is this container one that we can work in? Asked before anything is touched, by PID 1 itself: only the kernel is
 * looked at. Every finding is told at once, so that nobody has to start five times to learn five flags.
 */
#include "preflight.h"
#include "kernel.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#define CAP(name)                                                                                                      \
	{                                                                                                              \
		CAP_##name, #name, 1                                                                                   \
	}
#define CAP_FIREWALL(name)                                                                                             \
	{                                                                                                              \
		CAP_##name, #name, 0                                                                                   \
	}

/* What PID 1 needs itself, then what the jail keeps: what is not in our bounding set cannot be handed on. */
static const struct {
	int bit;
	const char *name;
	int always; /* 0: only for the firewall */
} needed[] = {
	CAP(SYS_ADMIN),	   CAP_FIREWALL(NET_ADMIN),
	CAP(SYS_CHROOT),   CAP(CHOWN),
	CAP(DAC_OVERRIDE), CAP(FOWNER),
	CAP(FSETID),	   CAP(KILL),
	CAP(SETGID),	   CAP(SETUID),
	CAP(SETPCAP),	   CAP(SETFCAP),
	CAP(AUDIT_WRITE),  CAP(NET_BIND_SERVICE),
};

struct report {
	struct failure *f;
	size_t text, remedy;
	unsigned n;
};

static size_t append(char *buf, size_t size, size_t at, const char *line)
{
	int n = snprintf(buf + at, size - at, "%s%s", at ? "\n" : "", line);

	return n < 0 || (size_t)n >= size - at ? size - 1 : at + (size_t)n;
}

static void finding(struct report *r, const char *text, const char *remedy)
{
	r->f->kind = FAILURE_FATAL;
	r->text = append(r->f->text, sizeof(r->f->text), r->text, text);
	r->remedy = append(r->f->remedy, sizeof(r->f->remedy), r->remedy, remedy);
	r->n++;
}

static void judge_capabilities(const struct preflight_facts *have, const struct preflight_want *want, struct report *r)
{
	char names[256] = "", flags[512] = "", text[320], remedy[900];
	size_t names_len = 0, flags_len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (have->caps & (UINT64_C(1) << needed[i].bit) || (!needed[i].always && !want->firewall))
			continue;
		names_len += (size_t)snprintf(names + names_len, sizeof(names) - names_len, "%s%s",
					      names_len ? ", " : "", needed[i].name);
		flags_len +=
			(size_t)snprintf(flags + flags_len, sizeof(flags) - flags_len, " --cap-add %s", needed[i].name);
	}
	if (names_len == 0)
		return;
	(void)snprintf(text, sizeof(text), "capabilities are missing: %s", names);
	(void)snprintf(remedy, sizeof(remedy), "docker run%s; Kubernetes: securityContext.capabilities.add: [%s]%s",
		       flags, names,
		       want->firewall && !(have->caps & (UINT64_C(1) << CAP_NET_ADMIN))
			       ? " (without NET_ADMIN only with ZIMBRA_FIREWALL=off)"
			       : "");
	finding(r, text, remedy);
}

/* The engines' default profiles hold `deny mount`; a profile of another name is taken to know what it does. */
static bool apparmor_denies_mount(const char *label)
{
	static const char *const profile[] = {"docker-default", "cri-containerd.apparmor.d", "crio-default",
					      "containers-default-"};

	if (!strstr(label, "(enforce)"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(profile); i++)
		if (strncmp(label, profile[i], strlen(profile[i])) == 0)
			return true;
	return false;
}

static void judge_limits(const struct preflight_facts *have, const struct preflight_want *want, struct report *r)
{
	char text[256], remedy[320];

	if (have->nofile_hard < want->min_nofile) {
		(void)snprintf(text, sizeof(text),
			       "the hard limit of open files is %" PRIu64 ", Zimbra's services need %" PRIu64,
			       have->nofile_hard, want->min_nofile);
		(void)snprintf(remedy, sizeof(remedy),
			       "docker run --ulimit nofile=%" PRIu64 ":%" PRIu64 "; Kubernetes has no field for it: "
			       "LimitNOFILE=%" PRIu64
			       " in the node's containerd.service; or ZIMBRA_MIN_NOFILE=%" PRIu64,
			       want->min_nofile, want->min_nofile, want->min_nofile, have->nofile_hard);
		finding(r, text, remedy);
	}
	if (have->cgroup_mib < want->min_memory_mib && have->cgroup_mib < have->machine_mib) {
		(void)snprintf(text, sizeof(text),
			       "the container may use %" PRIu64 " MiB of memory, Zimbra needs %" PRIu64 " MiB",
			       have->cgroup_mib, want->min_memory_mib);
		(void)snprintf(remedy, sizeof(remedy),
			       "docker run --memory %" PRIu64 "m; Kubernetes: resources.limits.memory: %" PRIu64 "Mi; "
			       "or ZIMBRA_MIN_MEMORY=%" PRIu64,
			       want->min_memory_mib, want->min_memory_mib, have->cgroup_mib);
		finding(r, text, remedy);
	} else if (have->machine_mib < want->min_memory_mib) {
		(void)snprintf(text, sizeof(text),
			       "the machine has %" PRIu64 " MiB of memory, Zimbra needs %" PRIu64 " MiB",
			       have->machine_mib, want->min_memory_mib);
		(void)snprintf(remedy, sizeof(remedy),
			       "a larger machine; Kubernetes: resources.requests.memory: %" PRIu64 "Mi finds one; "
			       "or ZIMBRA_MIN_MEMORY=%" PRIu64,
			       want->min_memory_mib, have->machine_mib);
		finding(r, text, remedy);
	}
}

static void judge_namespaces(const struct preflight_facts *have, const struct preflight_want *want, struct report *r)
{
	if (have->host_pid_ns)
		finding(r,
			"the container shares the process namespace of the host: stopping Zimbra could stop the host",
			"docker run without --pid host; Kubernetes: hostPID: false");
	else if (have->not_pid1 && !want->allow_not_pid1)
		finding(r, "zimbra-init is not process 1: orphans would not come to it, and the jail could kill it",
			"docker run without --init; Kubernetes: shareProcessNamespace: false; or "
			"ZIMBRA_ALLOW_NOT_PID1=1");
	if (have->host_net_ns && want->firewall)
		finding(r, "the container shares the network of the host: its firewall would close the host",
			"docker run without --network host; Kubernetes: hostNetwork: false; or ZIMBRA_FIREWALL=off");
}

int preflight_decide(const struct preflight_facts *have, const struct preflight_want *want, struct failure *f)
{
	struct report r = {.f = f};
	char text[256];

	memset(f, 0, sizeof(*f));
	if (strcmp(have->machine, "x86_64") != 0) {
		(void)snprintf(text, sizeof(text), "this machine is %s, Zimbra exists for x86_64 only", have->machine);
		finding(&r, text,
			"docker run --platform linux/amd64 on such a machine; Kubernetes: nodeSelector: "
			"{kubernetes.io/arch: amd64}");
	}
	if (have->uid != 0) {
		(void)snprintf(text, sizeof(text), "started as user %u, not as root", have->uid);
		finding(&r, text, "docker run without --user; Kubernetes: securityContext.runAsUser: 0");
	} else {
		/* Another user has no capabilities at all: the list would only hide the cause. */
		judge_capabilities(have, want, &r);
	}
	if (have->no_new_privs)
		finding(&r, "no-new-privileges is set: sudo and postfix, which Zimbra needs, cannot work",
			"docker run without --security-opt no-new-privileges; Kubernetes: "
			"securityContext.allowPrivilegeEscalation: true");
	if (apparmor_denies_mount(have->lsm)) {
		(void)snprintf(text, sizeof(text), "the AppArmor profile \"%.*s\" forbids mounts, which the jail needs",
			       (int)strcspn(have->lsm, " \n"), have->lsm);
		finding(&r, text,
			"docker run --security-opt apparmor=unconfined (or our profile, see the README); Kubernetes: "
			"securityContext.appArmorProfile: {type: Unconfined}");
	}
	if (have->root_read_only)
		finding(&r, "the container's own root file system is read-only",
			"docker run without --read-only; Kubernetes: securityContext.readOnlyRootFilesystem: false");
	judge_namespaces(have, want, &r);
	judge_limits(have, want, &r);
	return r.n ? -1 : 0;
}

/* The value of a "Key:\tvalue" line, read as a number of that base. */
static int status_number(const char *text, const char *key, int base, uint64_t *out)
{
	size_t len = strlen(key);
	const char *value;
	char *end;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (strncmp(line, key, len) != 0 || line[len] != ':')
			continue;
		value = line + len + 1;
		value += strspn(value, " \t"); /* strtoull would go on in the next line */
		errno = 0;
		*out = strtoull(value, &end, base);
		return errno || *value == '\n' || end == value ? -EPROTO : 0;
	}
	return -EPROTO;
}

int preflight_parse_status(const char *text, struct preflight_facts *out)
{
	uint64_t uid, effective, bounding, nnp;

	if (status_number(text, "Uid", 10, &uid) < 0 || status_number(text, "CapEff", 16, &effective) < 0 ||
	    status_number(text, "CapBnd", 16, &bounding) < 0 || status_number(text, "NoNewPrivs", 10, &nnp) < 0)
		return -EPROTO;
	out->uid = (unsigned)uid;
	out->caps = effective & bounding;
	out->no_new_privs = nnp != 0;
	return 0;
}

static uint64_t cgroup_limit_mib(void)
{
	static const char *const path[] = {"/sys/fs/cgroup/memory.max",			   /* v2 */
					   "/sys/fs/cgroup/memory/memory.limit_in_bytes"}; /* v1 */
	uint64_t least = UINT64_MAX;
	char buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(path); i++) {
		char *end;
		uint64_t bytes;
		kernel_read(path[i], buf, sizeof(buf));
		bytes = strtoull(buf, &end, 10);
		/* v2 says "max", v1 a number near 2^63. */
		if (end != buf && bytes < UINT64_C(1) << 60 && bytes >> 20 < least)
			least = bytes >> 20;
	}
	return least;
}

static int gather(struct preflight_facts *out)
{
	struct utsname un;
	struct rlimit rl;
	struct statvfs root;
	uint64_t kib = 0;
	char buf[8192];

	memset(out, 0, sizeof(*out));
	if (uname(&un) < 0)
		return -errno;
	(void)snprintf(out->machine, sizeof(out->machine), "%s", un.machine);
	kernel_read("/proc/self/status", buf, sizeof(buf));
	if (preflight_parse_status(buf, out) < 0)
		return -EPROTO;
	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return -errno;
	out->nofile_hard = rl.rlim_max == RLIM_INFINITY ? UINT64_MAX : rl.rlim_max;
	kernel_read("/proc/meminfo", buf, sizeof(buf));
	if (status_number(buf, "MemTotal", 10, &kib) < 0)
		return -EPROTO;
	out->machine_mib = kib >> 10;
	out->cgroup_mib = cgroup_limit_mib();
	kernel_read("/proc/2/comm", buf, sizeof(buf));
	out->host_pid_ns = strcmp(buf, "kthreadd") == 0;
	/* Registered by the kernel for the initial network namespace only. */
	out->host_net_ns = access("/proc/sys/net/core/dev_weight", F_OK) == 0;
	out->not_pid1 = getpid() != 1;
	out->root_read_only = statvfs("/", &root) == 0 && (root.f_flag & ST_RDONLY);
	kernel_read("/proc/self/attr/apparmor/current", out->lsm, sizeof(out->lsm));
	if (out->lsm[0] == '\0')
		kernel_read("/proc/self/attr/current", out->lsm, sizeof(out->lsm));
	return 0;
}

int preflight(const struct config *cfg, struct failure *f)
{
	const struct preflight_want want = {
		.firewall = config_on(cfg, CFG_ZIMBRA_FIREWALL),
		.allow_not_pid1 = config_on(cfg, CFG_ZIMBRA_ALLOW_NOT_PID1),
		.min_nofile = (uint64_t)config_num(cfg, CFG_ZIMBRA_MIN_NOFILE),
		.min_memory_mib = (uint64_t)config_num(cfg, CFG_ZIMBRA_MIN_MEMORY),
	};
	struct preflight_facts have;
	int err = gather(&have);

	if (err < 0)
		return failure_set(f, FAILURE_FATAL, "mount /proc into the container as every engine does",
				   "cannot read the facts about this container from /proc: %s", strerror(-err));
	return preflight_decide(&have, &want, f);
}
