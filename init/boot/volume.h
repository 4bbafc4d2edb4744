/* What is on the volume: facts, gathered by volume_look.c, and the verdict over them, pure, in volume.c. */
#pragma once

#include "boot.h"

/*
 * Folders of ours on a volume that is being installed: built in PARTIAL, renamed whole to READY, then moved entry by
 * entry to where it belongs. Either of them without a marker in the journal is our own interrupted work.
 */
#define BOOTSTRAP_PARTIAL ".bootstrap.partial"
#define BOOTSTRAP_READY	  ".bootstrap.ready"

enum volume_kind {
	VOLUME_EMPTY,	    /* nothing of anybody's */
	VOLUME_PARTIAL,	    /* our installation was interrupted */
	VOLUME_OURS,	    /* installed */
	VOLUME_GRIFFINPLUS, /* made by the ancestor */
	VOLUME_FOREIGN,	    /* somebody's files */
	VOLUME_DAMAGED	    /* the journal says installed, and it is not all there */
};

enum { VOLUME_NAMES = 64 };

struct volume_facts {
	/* Names at the top that hold something: empty folders, mount points and folders of only those are left out. */
	size_t n;
	char name[VOLUME_NAMES][256];
	bool more;	     /* there were more than that */
	bool marker;	     /* the journal has stage.volume */
	bool partial, ready; /* the folders above exist */
	bool ancestor;	     /* etc/hosts with opt/zimbra, or scripts of the ancestor */
	const char *missing; /* the first part of an installed system that is not there; NULL: all is */
};

/* Pure. `what`: for FOREIGN the names that are nobody's business, for DAMAGED what is missing; "" otherwise. */
enum volume_kind volume_classify(const struct volume_facts *facts, char *what, size_t size);

/* How the volume is mounted. */
struct volume_mount {
	bool is_mount; /* at all: else it is a folder of the container, which goes with it */
	bool read_only, nosuid, nodev, noexec;
	bool in_memory; /* tmpfs */
	bool anonymous; /* a Docker volume without a name */
	uint64_t free_mib;
};

/* Pure. 0, or -1 with what makes the volume unusable. */
int volume_judge_mount(const struct volume_mount *m, struct failure *f);

/* Pure. From the text of /proc/self/mountinfo: is the mount at `path` an anonymous Docker volume? */
bool volume_is_anonymous(const char *mountinfo, const char *path);

/* -1 with the failure when there is not ZIMBRA_MIN_DISK free; called only when an installation is due. */
int volume_check_disk(const struct config *cfg, int data, struct failure *f);

int volume_look_mount(int data, struct volume_mount *out); /* 0 or -errno */
/* Names and probes; the journal's part is the caller's. */
int volume_look(int data, struct volume_facts *out); /* 0 or -errno */

/* True when `name` below dir is the root of a mount, whatever kind. */
bool volume_mounted_at(int dir, const char *name);
