/* Stage "volume", the looking part: what may be installed on, what is installed, what must not be touched. */
#include "volume.h"
#include "../log.h"
#include "suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Ours, the administrator's or the file system's: not a sign that the volume is in use. */
static bool ignored(const char *name)
{
	return strcmp(name, "lost+found") == 0 || strcmp(name, "app") == 0 || strcmp(name, BOOTSTRAP_PARTIAL) == 0 ||
	       strcmp(name, BOOTSTRAP_READY) == 0;
}

/* What moving out of BOOTSTRAP_READY may already have put at the top. */
static bool of_base_system(const char *name)
{
	static const char *const top[] = {"bin",   "boot",   "dev",   "etc", "home", "lib",  "lib32",
					  "lib64", "libx32", "media", "mnt", "opt",  "proc", "root",
					  "run",   "sbin",   "srv",   "sys", "tmp",  "usr",  "var"};

	for (size_t i = 0; i < ARRAY_SIZE(top); i++)
		if (strcmp(name, top[i]) == 0)
			return true;
	return false;
}

static void list(char *what, size_t size, size_t *len, const char *name)
{
	size_t from = *len;
	int n;

	if (from + 4 >= size)
		return;
	n = snprintf(what + from, size - from, "%s%s", from ? ", " : "", name);
	*len += n < 0 ? 0 : (size_t)n;
	if (*len >= size) { /* an honest end instead of half a name */
		*len = size - 1;
		memcpy(what + size - 4, "...", 4);
	}
	for (size_t i = from; i < *len; i++) /* a stranger chose the name; ours is a line of text */
		if ((unsigned char)what[i] < 0x20 || what[i] == 0x7f)
			what[i] = '?';
}

enum volume_kind volume_classify(const struct volume_facts *facts, char *what, size_t size)
{
	size_t in_use = 0, strange = 0, len = 0;

	*what = '\0';
	if (facts->marker) {
		if (!facts->missing)
			return VOLUME_OURS;
		(void)snprintf(what, size, "%s", facts->missing);
		return VOLUME_DAMAGED;
	}
	for (size_t i = 0; i < facts->n; i++) {
		if (ignored(facts->name[i]))
			continue;
		in_use++;
		/* Interrupted before READY: nothing of ours can be at the top yet. */
		if (facts->ready && of_base_system(facts->name[i]))
			continue;
		strange++;
		list(what, size, &len, facts->name[i]);
	}
	if (facts->more)
		list(what, size, &len, "...");
	if (strange == 0 && !facts->more)
		return in_use || facts->ready || facts->partial ? VOLUME_PARTIAL : VOLUME_EMPTY;
	return facts->ancestor ? VOLUME_GRIFFINPLUS : VOLUME_FOREIGN;
}

int volume_judge_mount(const struct volume_mount *m, struct failure *f)
{
	char flags[64], remedy[640];

	if (!m->is_mount)
		return failure_set(f, FAILURE_FATAL,
				   "docker run -v zimbra-data:" DATA_DIR
				   "; Kubernetes: a PersistentVolumeClaim in volumes "
				   "and volumeMounts: [{name: data, mountPath: " DATA_DIR "}]",
				   "no volume is mounted at " DATA_DIR ": all mail would be lost with the container");
	if (m->read_only)
		return failure_set(
			f, FAILURE_FATAL,
			"docker run -v NAME:" DATA_DIR " without :ro; Kubernetes: readOnly: false in volumeMounts "
			"and in the volume; if it was not asked for, the host's file system had an error: see dmesg",
			"the volume at " DATA_DIR " is read-only");
	if (!m->nosuid && !m->nodev && !m->noexec)
		return 0;
	(void)snprintf(flags, sizeof(flags), "%s%s%s", m->nosuid ? " nosuid" : "", m->nodev ? " nodev" : "",
		       m->noexec ? " noexec" : "");
	(void)snprintf(remedy, sizeof(remedy),
		       "mount the file system below it on the host without%s (mount -o remount,suid,dev,exec, and "
		       "/etc/fstab); "
		       "Kubernetes: remove them from mountOptions of the PersistentVolume or StorageClass",
		       flags);
	return failure_set(f, FAILURE_FATAL, remedy,
			   "the volume at " DATA_DIR
			   " is mounted%s: a whole system with sudo, file capabilities and devices "
			   "cannot live on it",
			   flags);
}

bool volume_is_anonymous(const char *mountinfo, const char *path)
{
	char root[512], at[512];

	/* proc_pid_mountinfo(5): id, parent, device, root, mount point, ... */
	for (const char *line = mountinfo; line && *line; line = strchr(line, '\n')) {
		const char *name, *end;
		if (*line == '\n')
			line++;
		if (sscanf(line, "%*s %*s %*s %511s %511s", root, at) != 2 || strcmp(at, path) != 0)
			continue;
		/* Docker names a volume that nobody named with 64 hexadecimal digits. */
		name = strstr(root, "/volumes/");
		end = name ? name + 9 + strspn(name + 9, "0123456789abcdef") : NULL;
		if (end && end - (name + 9) == 64 && strcmp(end, "/_data") == 0)
			return true;
	}
	return false;
}

int volume_check_disk(const struct config *cfg, int data, struct failure *f)
{
	uint64_t want = (uint64_t)config_num(cfg, CFG_ZIMBRA_MIN_DISK);
	struct volume_mount m;
	char remedy[256];
	int err = volume_look_mount(data, &m);

	if (err < 0)
		return failure_set(f, FAILURE_RETRY, "look at the volume's health", "cannot look at " DATA_DIR ": %s",
				   strerror(-err));
	if (m.free_mib >= want)
		return 0;
	(void)snprintf(remedy, sizeof(remedy),
		       "free space on the volume's disk, give it a larger one, or set ZIMBRA_MIN_DISK=%" PRIu64
		       " if you know that it is enough",
		       m.free_mib);
	return failure_set(f, FAILURE_RETRY, remedy,
			   "%" PRIu64 " MiB are free on the volume at " DATA_DIR ", an installation needs %" PRIu64
			   " MiB",
			   m.free_mib, want);
}

static int refuse(enum volume_kind kind, const char *what, struct failure *f)
{
	switch (kind) {
	case VOLUME_GRIFFINPLUS:
		return failure_set(
			f, FAILURE_HOLD,
			"go on with the image griffinplus/zimbra until the version that adopts it is there, or give "
			"this container an empty volume",
			"the volume at " DATA_DIR " was made by griffinplus/zimbra: this version cannot adopt it yet, "
			"a later one will; nothing on it was changed");
	case VOLUME_DAMAGED:
		return failure_set(
			f, FAILURE_HOLD,
			"restore the volume from a backup; or, to install anew, empty it (with app/.state) or give "
			"this container an empty volume",
			"the installation on the volume at " DATA_DIR " is damaged: it has no %s, though the journal "
			"says that it was finished; nothing on it was changed",
			what);
	case VOLUME_FOREIGN:
		return failure_set(
			f, FAILURE_HOLD,
			"give this container an empty volume (docker run -v NEWNAME:" DATA_DIR "), or empty this one "
			"yourself; app/ and lost+found may stay",
			"the volume at " DATA_DIR " holds something else: %s; nothing on it was changed", what);
	case VOLUME_EMPTY:
	case VOLUME_PARTIAL:
	case VOLUME_OURS:
	default:
		return 0;
	}
}

static void warn_about(const struct stage_ctx *ctx, const struct volume_mount *m, const struct journal *j)
{
	const char *have = journal_get(j, "suite"), *want = config_str(ctx->cfg, CFG_ZIMBRA_OS_SUITE);

	if (m->in_memory)
		log_warn(ctx->name, "the volume is in memory (tmpfs): all mail is lost when the container stops");
	if (m->anonymous)
		log_warn(ctx->name, "the volume has no name: docker run --rm and docker volume prune remove it; "
				    "use -v NAME:" DATA_DIR);
	if (have && journal_get(j, "stage.volume") && strcmp(have, want) != 0)
		log_warn(ctx->name, "ZIMBRA_OS_SUITE=%s, but %s is installed on the volume and stays", want, have);
}

int volume_check(struct stage_ctx *ctx, struct failure *f)
{
	struct volume_mount m;
	_cleanup_free_ struct volume_facts *facts = calloc(1, sizeof(*facts));
	struct journal j;
	enum volume_kind kind;
	char what[512];
	int err;

	if (!facts)
		return failure_set(f, FAILURE_RETRY, "give the container more memory", "out of memory");
	err = volume_look_mount(ctx->data, &m);
	if (err == 0) {
		if (volume_judge_mount(&m, f) < 0 || journal_load(ctx->data, &j, f) < 0)
			return -1;
		err = volume_look(ctx->data, facts);
	}
	if (err < 0)
		return failure_set(f, FAILURE_RETRY, "look at the volume's health and at the kernel log of the host",
				   "cannot look at the volume at " DATA_DIR ": %s", strerror(-err));
	facts->marker = journal_get(&j, "stage.volume") != NULL;
	kind = volume_classify(facts, what, sizeof(what));
	if (refuse(kind, what, f) < 0)
		return -1;
	warn_about(ctx, &m, &j);
	if (kind == VOLUME_EMPTY && volume_check_disk(ctx->cfg, ctx->data, f) < 0)
		return -1;
	/* A marker and our folders: interrupted in the very last step, which is to remove them. */
	return kind == VOLUME_OURS && !facts->partial && !facts->ready ? STAGE_TRUE : STAGE_TODO;
}
