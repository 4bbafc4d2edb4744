/*
 * What the files of init/zimbra share and nobody else needs: the parts of an installation.
 * Names that begin with zi_ are not for the rest of the program.
 */
#pragma once

#include "zimbra.h"

/* Where a release is unpacked, below the volume's root; in the jail the same with a '/' before it. */
#define ZI_RELEASE "opt/.zimbra-release"
#define ZI_PARTIAL ZI_RELEASE ".partial"
#define ZI_ANSWERS ZI_RELEASE "/answers"

enum {
	ZI_SHA256 = 64 + 1,
	ZI_FQDN = 253 + 1,
	ZI_PASSWORD = 128 + 1,
	ZI_TOP = 128,	       /* name of the folder in a release */
	ZI_NETWORKS = 1024,    /* zimbraMtaMyNetworks */
	ZI_ANSWERS_MAX = 8192, /* the answers file */
	ZI_HISTORY_MAX = 1024 * 1024,
	ZI_LAST_LINES = 30 /* of an installer's output, shown when it failed */
};

/* --- answers.c: pure --- */

struct zi_answers {
	const char *fqdn;	    /* lower case, with a dot */
	const char *domain;	    /* the first mail domain */
	const char *admin_password; /* charset: zi_password_ok */
	const char *networks;	    /* zimbraMtaMyNetworks, from zi_networks */
	const char *ip_mode;	    /* "ipv4", "ipv6" or "both" */
	const char *timezone;	    /* Olson name, "" = left to zmsetup.pl */
	const char *suffix;	    /* random part of the system mailboxes' names: letters and digits */
	bool remove;		    /* empty /opt/zimbra first: what is there is our own interrupted installation */
	unsigned limit_mb, host_mb; /* memory of this container and of the machine; 0: unknown */
};

/* Bytes (buf ends with '\0'), -EINVAL and *bad = the key whose value has a character that the readers would act on,
 * -E2BIG. */
ssize_t zi_answers_render(const struct zi_answers *a, char *buf, size_t size, const char **bad);

/* 6 to 128 of A-Z a-z 0-9 - _ . , : @ % + = / : what neither bash, Perl nor the shell behind su gives a meaning to. */
bool zi_password_ok(const char *password);
#define ZI_PASSWORD_RULE "6 to 128 characters from A-Z a-z 0-9 - _ . , : @ % + = /"

/* Appends " ADDRESS/32" or " ADDRESS/128" (IPv6 in brackets, as postfix wants it) to a mynetworks list; -E2BIG. */
int zi_networks_add(char *list, size_t size, int family, const char *address);

/* First mail domain: of the list, else the host's name without its first label (itself if that leaves no dot). */
int zi_first_domain(const char *mail_domains, const char *fqdn, char out[static ZI_FQDN]);

/* The n-th entry of a comma list; false past the end. */
bool zi_list_entry(const char *list, size_t n, char out[static ZI_FQDN]);

/* --- installer.c: pure --- */

enum zi_progress_of { ZI_NOTHING, ZI_STARTED, ZI_PACKAGES, ZI_CONFIGURING, ZI_CONFIGURED };

struct zi_history {
	enum zi_progress_of state; /* of the last install session */
	char version[64];	   /* "10.1.17.GA..." of zimbra-core, "" if unknown */
};

/* /opt/zimbra/.install_history (zm-build rpmconf/Install/zmsetup.pl, getInstallStatus). */
void zi_history_parse(const char *text, size_t len, struct zi_history *out);

/* What a line of install.sh or zmsetup.pl means to a person. */
struct zi_doing {
	int percent;   /* of zmsetup.pl's known steps; -1 where it is not known */
	char text[96]; /* "" = nothing worth telling */
	bool trouble;  /* it reports an error */
};
void zi_installer_line(const char *line, struct zi_doing *out);

/* Where the last n lines of a text begin. */
size_t zi_last_lines(const char *text, size_t len, size_t n);

/* Overwrites every occurrence of a secret by '*'. */
void zi_blank_secret(char *text, const char *secret);

/* rsyslog.conf without the kernel log, which a container cannot read: bytes written, 0 if nothing had to change,
 * -E2BIG. */
ssize_t zi_rsyslog_conf(const char *text, size_t len, char *out, size_t size);

/* --- secret.c --- */

/* The secret of that name in STATE_DIR, made of `len` letters and digits when it is not there yet; 0 or -errno. */
int zi_secret(int data, const char *name, size_t len, char *out, size_t size);

/* --- unpack.c --- */

struct zi_file {
	int fd;
	int64_t size;
	char sha256[ZI_SHA256];
};

/* Opens ZIMBRA_RELEASE in the container or on the volume; 0, or -1 with the failure filled. */
int zi_release_open(struct stage_ctx *ctx, struct zi_file *file, struct failure *f);

/* Fills sha256 and compares it with ZIMBRA_RELEASE_SHA256. */
int zi_release_hash(struct stage_ctx *ctx, struct zi_file *file, struct failure *f);

/* Unpacks in the jail into a fresh ZI_RELEASE; *top gets the name of the one folder in it. */
int zi_release_unpack(struct stage_ctx *ctx, const struct zi_file *file, char top[static ZI_TOP], struct failure *f);

/* The one folder with install.sh in dir (below data); 0, -ENOENT, -ENOTUNIQ, -errno. */
int zi_release_top(int data, const char *dir, char top[static ZI_TOP]);

/* --- feed.c --- */

struct zi_sink {
	const char *const *argv;
	int (*before_exec)(void);
	char *output; /* gets stdout as text; NULL: to /dev/null */
	size_t output_size;
	int status; /* a shell's number, afterwards */
	/* private */
	pid_t pid;
	int in, out;
};

/*
 * Reads fd from its start to its end once and gives the same bytes to the stdin of every program. A program may stop
 * reading early (its status tells). 0 and the statuses, or -errno of reading; -ETIMEDOUT: a program took nothing for
 * two minutes.
 */
int zi_feed(int fd, struct zi_sink *sinks, size_t n, void (*progress)(void *arg, int64_t bytes), void *arg);

/* --- install.c --- */

/* Installs and configures from the unpacked folder `top`, in as many tries as make sense. */
int zi_install(struct stage_ctx *ctx, const char *top, const struct zi_answers *answers, struct failure *f);

void zi_history_read(int data, struct zi_history *out);

/* Makes what is installed count as interrupted (another release is to be installed instead); 0 or -errno. */
int zi_history_void(int data);

/* Runs a command of our own (a script without a variable part) as root in the jail; a shell's number or -errno. */
int zi_jail_sh(const char *tag, int timeout_s, const char *script);

/* The jail's root with what is mounted in it (/run, /tmp); the volume's where there is no jail. Never crosses into the
 * jail. */
int zi_jail_root(struct stage_ctx *ctx);

/* --- domains.c --- */

/* Further mail domains, while slapd runs or by starting it; errors are logged and stop nothing. */
void zi_create_domains(struct stage_ctx *ctx, const char *fqdn);

/* --- report.c --- */

/* The last lines that an installer printed itself. */
struct zi_recent {
	size_t n; /* ever */
	char line[ZI_LAST_LINES][256];
};
void zi_recent_add(struct zi_recent *r, const char *line);

/* Logs those and the last lines of the newest log that the installers keep; appends the very last to f->text. */
void zi_report(struct stage_ctx *ctx, const struct zi_recent *recent, const char *secret, struct failure *f);

/* --- facts.c --- */

/* Addresses and memory of this container, for the answers. */
int zi_networks(char *out, size_t size, const char **ip_mode);
void zi_memory(unsigned *limit_mb, unsigned *host_mb);

/* The name this server gets, lower case; 0 or -errno: -EINVAL if it is no full host name. */
int zi_fqdn(int data, char out[static ZI_FQDN]);
