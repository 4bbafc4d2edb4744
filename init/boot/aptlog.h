/*
 * What mmdebstrap, apt and dpkg print, read line by line: how far they are, and why they failed. Pure.
 * English output (LANG=C.UTF-8) of apt 2.4 to 2.6 and mmdebstrap 1.3; unknown lines are skipped.
 */
#pragma once

#include "../failure.h"

struct apt_progress {
	enum { APT_UPDATE, APT_DOWNLOAD, APT_EXTRACT, APT_ESSENTIAL, APT_REMAINING, APT_CLEAN } phase;
	bool bootstrap; /* mmdebstrap: two rounds; else one run of apt-get */
	unsigned total; /* packages of this round; 0: not known yet */
	unsigned got, unpacked, set_up;
	int percent;	  /* never goes back */
	char package[64]; /* the last one touched */
};

void apt_progress_start(struct apt_progress *p, bool bootstrap);
bool apt_progress_line(struct apt_progress *p, const char *line); /* true: percent or phase is another one */
const char *apt_progress_doing(const struct apt_progress *p);	  /* "downloading", ... */

/* In growing order: of several causes the last one explains the others. */
enum apt_trouble {
	APT_NO_TROUBLE,
	APT_OTHER,
	APT_UNSIGNED, /* also said when nothing could be fetched */
	APT_NETWORK,
	APT_NOT_FOUND,
	APT_NO_PACKAGE,
	APT_CERTIFICATE,
	APT_CLOCK,
	APT_HASH,
	APT_BAD_SIGNATURE,
	APT_UNKNOWN_KEY,
	APT_NO_MOUNT,
	APT_NO_SPACE
};

struct apt_cause {
	enum apt_trouble trouble;
	char line[300]; /* the first line that says so, with the address if one does */
};

void apt_cause_note(struct apt_cause *c, const char *line);
/* Fills f and returns -1. `what`: "cannot install the base system". */
int apt_cause_explain(const struct apt_cause *c, const char *what, struct failure *f);
