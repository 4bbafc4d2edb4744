/*
 * The library's sessions from standard input, for tests/net: one command a line, one line of JSON back.
 *
 *   session | unkept | alone     one that keeps a socket, one as on kernels before 6.9, or (the beginning) none
 *   close | open PORTS | remove | read
 *   own [WORD]                   an empty table with the session's flags (WORD: added to the one there is)
 *   ban WHO SECONDS|- [WHO ...]  never LIST  unban WHO  flush  list  count  load FIRST COUNT SECONDS  networks FIRST
 * COUNT SECONDS save FILE | restore FILE watch | events               opens it; what was noticed since probe | repair
 * NOW_MS fault NAME [CALL]            for netlink-faults.c, from now on
 *
 * Answers have "r" (0 or -errno), "us", and with an error "what" and "detail".
 */
#include "../../firewall/bans.h"
#include "../../firewall/internal.h"
#include "../../firewall/probe.h"
#include "../../firewall/watch.h"
#include "driver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { WORDS = 4096 };

static struct fw_session session;
static bool has_session;
static struct fw_prefixes never;
static struct fw_error error;
static int faults;

static struct fw_session *current(void)
{
	return has_session ? &session : NULL;
}

static int own(bool add)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	static const uint16_t types[] = {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE, NFT_MSG_NEWTABLE};
	int r = fw_txn_begin_on(&t, current());

	for (size_t i = add ? 2 : 0; i < 3 && r == 0; i++) {
		struct nlmsghdr *nlh =
			fw_txn_msg(&t, types[i], types[i] == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, "table", FW_TABLE);
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, FW_TABLE);
		if (i == 2 && t.table_flags)
			mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(t.table_flags));
		fw_txn_add(&t, nlh);
	}
	t.untagged = true;
	return r == 0 ? fw_txn_commit(&t, &error) : r;
}

static int read_state(void)
{
	struct fw_state s;
	int r = fw_read(&s, &error);

	if (r == 0)
		printf("\"mode\": \"%s\", \"owner\": %u, \"generation\": %u, ", fw_mode_name(s.mode), s.owner,
		       s.generation);
	return r;
}

static int add(const struct fw_ban *bans, size_t n)
{
	struct fw_ban_result result;
	int r = fw_ban_add(current(), bans, n, &never, &result, &error);

	printf("\"done\": %zu, \"refused\": %zu, \"why\": \"%s\", ", result.done, result.refused, result.why);
	return r;
}

static int ban(char **word, size_t words)
{
	struct fw_ban bans[WORDS / 2] = {0};
	size_t n = 0;

	for (; 2 * n + 1 < words; n++) {
		/* Not the parser's business here: what it refuses is tried too. */
		if (fw_prefix_parse(word[2 * n], strlen(word[2 * n]), &bans[n].who) < 0)
			bans[n].who.family = 0;
		bans[n].left_ms = strtoull(word[2 * n + 1], NULL, 10) * 1000;
	}
	return add(bans, n);
}

/* COUNT addresses, or networks of half as many bits less 4, with one free between two, from FIRST on. */
static int load(const char *first, size_t count, unsigned long seconds, bool networks)
{
	_cleanup_(fw_free) struct fw_ban *bans = calloc(count, sizeof(*bans));
	struct fw_prefix p;

	if (!bans || fw_prefix_parse(first, strlen(first), &p) < 0)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		size_t width = p.family == AF_INET ? 4 : 16;
		size_t last = networks ? (width == 4 ? 2 : 7) : width - 1;
		uint64_t step = networks ? 2 * i : i;

		bans[i] = (struct fw_ban){.who = p, .left_ms = 1000 * seconds};
		if (networks)
			bans[i].who.len = width == 4 ? 24 : 64;
		for (size_t k = last + 1; k-- > 0 && step; step >>= 8) {
			step += bans[i].who.addr[k];
			bans[i].who.addr[k] = (uint8_t)step;
		}
	}
	return add(bans, count);
}

static size_t listed;

static int print_ban(const struct fw_ban *b, void *data)
{
	char text[FW_PREFIX_STRLEN];

	if (!b) /* the reader of this takes the last list */
		printf("], \"bans\": [");
	else
		printf("%s[\"%s\", %" PRIu64 "]", listed ? ", " : "", fw_prefix_format(&b->who, text, sizeof(text)),
		       b->left_ms);
	listed = b ? listed + 1 : 0;
	(void)data;
	return 0;
}

static int count_ban(const struct fw_ban *b, void *data)
{
	listed = b ? listed + 1 : 0;
	(void)data;
	return 0;
}

static int list(bool only_count)
{
	int r;

	listed = 0;
	if (only_count) {
		r = fw_ban_list(current(), count_ban, NULL, &error);
		printf("\"count\": %zu, ", listed);
		return r;
	}
	printf("\"bans\": [");
	r = fw_ban_list(current(), print_ban, NULL, &error);
	printf("], ");
	return r;
}

struct file {
	FILE *f;
	struct fw_ban_writer w;
};

static int save_one(const struct fw_ban *b, void *data)
{
	char line[FW_BAN_LINE];
	struct file *to = data;

	if (!b) {
		rewind(to->f);
		if (ftruncate(fileno(to->f), 0) < 0)
			return -errno;
		fwrite(line, 1, fw_bans_write_begin(&to->w, time(NULL), line, sizeof(line)), to->f);
	} else {
		fwrite(line, 1, fw_bans_write(&to->w, b, line, sizeof(line)), to->f);
	}
	return 0;
}

static int save(const char *path)
{
	struct file to = {.f = fopen(path, "we")};
	char line[FW_BAN_LINE];
	int r;

	if (!to.f)
		return -errno;
	(void)save_one(NULL, &to);
	r = fw_ban_list(current(), save_one, &to, &error);
	fwrite(line, 1, fw_bans_write_end(&to.w, line, sizeof(line)), to.f);
	(void)fclose(to.f);
	return r;
}

struct bans {
	struct fw_ban *v;
	size_t n;
};

static int take_ban(const struct fw_ban *b, void *data)
{
	struct bans *to = data;

	to->v = reallocarray(to->v, to->n + 1, sizeof(*to->v));
	if (!to->v)
		return -ENOMEM;
	to->v[to->n++] = *b;
	return 0;
}

static int restore(const char *path)
{
	FILE *f = fopen(path, "re");
	static char text[32 << 20];
	struct bans bans = {0};
	size_t n;
	int r;

	if (!f)
		return -errno;
	n = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	r = fw_bans_parse(text, n, time(NULL), take_ban, &bans);
	if (r == 0 && bans.n > 0)
		r = add(bans.v, bans.n);
	free(bans.v);
	return r;
}

static struct fw_watch watch;

static int open_watch(void)
{
	fw_watch_close(&watch);
	return fw_watch_open(&watch, current(), &error);
}

/* Until nothing came for 200 ms. */
static int events(void)
{
	struct pollfd pfd = {.fd = fw_watch_fd(&watch), .events = POLLIN};
	const char *comma = "";
	struct fw_event e;
	int r = 0;

	printf("\"events\": [");
	while (r == 0 && poll(&pfd, 1, 200) > 0) {
		while ((r = fw_watch_read(&watch, &e)) > 0) {
			printf("%s{\"lost\": %d, \"ours\": %d, \"table\": %d, \"generation\": %u, \"port\": %u, "
			       "\"pid\": %u, ",
			       comma, e.lost, e.ours, e.table, e.generation, e.port, e.pid);
			printf("\"process\": ");
			print_string(e.process);
			printf("}");
			comma = ", ";
		}
	}
	printf("], ");
	return r;
}

static int probe(void)
{
	static struct fw_probe p;
	int r = fw_probe(current(), &p, &error);

	printf("\"has\": {");
	for (int f = 0; f < FW_FEATURES; f++) {
		printf("%s\"%s\": ", f ? ", " : "", fw_feature_name((enum fw_feature)f));
		print_string(p.has[f] ? "" : p.said[f]);
	}
	printf("}, \"kernel\": \"%s\", \"tcp_loose\": %d, \"nat\": ", p.kernel, p.tcp_loose);
	print_string(p.nat_what);
	printf(", \"host\": ");
	print_string(p.host_why);
	printf(", ");
	return r;
}

static int run(char **word, size_t n)
{
	const char *command = word[0];

	if (strcmp(command, "session") == 0) {
		int r;

		if (has_session)
			fw_session_close(&session);
		r = fw_session_open(&session, &error);
		has_session = r == 0;
		printf("\"flags\": %u, \"port\": %u, ", session.table_flags, session.ports[0]);
		return r;
	}
	if (strcmp(command, "unkept") == 0) {
		if (has_session)
			fw_session_close(&session);
		session = (struct fw_session){0};
		has_session = true;
		return 0;
	}
	if (strcmp(command, "alone") == 0) {
		if (has_session)
			fw_session_close(&session);
		has_session = false;
		return 0;
	}
	if (strcmp(command, "updates") == 0 && n == 2)
		return session.updates_elements = word[1][0] == '1', 0;
	if (strcmp(command, "close") == 0)
		return fw_close(current(), &error);
	if (strcmp(command, "open") == 0 && n == 2) {
		static struct fw_policy policy;
		int r = fw_ports_parse(word[1], strlen(word[1]), &policy.public_tcp);

		return r < 0 ? r : fw_open(current(), &policy, &error);
	}
	if (strcmp(command, "remove") == 0)
		return fw_remove(current(), &error);
	if (strcmp(command, "read") == 0)
		return read_state();
	if (strcmp(command, "own") == 0)
		return own(n > 1);
	if (strcmp(command, "ban") == 0)
		return ban(word + 1, n - 1);
	if (strcmp(command, "load") == 0 && n == 4)
		return load(word[1], strtoul(word[2], NULL, 10), strtoul(word[3], NULL, 10), false);
	if (strcmp(command, "networks") == 0 && n == 4)
		return load(word[1], strtoul(word[2], NULL, 10), strtoul(word[3], NULL, 10), true);
	if (strcmp(command, "never") == 0 && n == 2)
		return fw_prefixes_parse(word[1], strlen(word[1]), &never);
	if (strcmp(command, "unban") == 0 && n == 2) {
		struct fw_prefix p;
		int r = fw_prefix_parse(word[1], strlen(word[1]), &p);

		return r < 0 ? r : fw_ban_del(current(), &p, &error);
	}
	if (strcmp(command, "flush") == 0)
		return fw_ban_flush(current(), &error);
	if (strcmp(command, "list") == 0)
		return list(false);
	if (strcmp(command, "count") == 0)
		return list(true);
	if (strcmp(command, "save") == 0 && n == 2)
		return save(word[1]);
	if (strcmp(command, "restore") == 0 && n == 2)
		return restore(word[1]);
	if (strcmp(command, "watch") == 0)
		return open_watch();
	if (strcmp(command, "events") == 0 && watch.sock)
		return events();
	if (strcmp(command, "probe") == 0)
		return probe();
	if (strcmp(command, "fault") == 0 && n >= 2) {
		char number[16];

		(void)snprintf(number, sizeof(number), "%d", ++faults);
		(void)setenv("FAULT_NUMBER", number, 1);
		(void)setenv("FAULT", word[1], 1);
		(void)setenv("FAULT_CALL", n > 2 ? word[2] : "1", 1);
		return 0;
	}
	return -ENOSYS;
}

int main(void)
{
	static char line[1 << 16];

	while (fgets(line, sizeof(line), stdin)) {
		char *word[WORDS], *at = NULL;
		struct rusage usage;
		size_t n = 0;
		double began;
		int r;

		for (char *w = strtok_r(line, " \n", &at); w && n < WORDS; w = strtok_r(NULL, " \n", &at))
			word[n++] = w;
		if (n == 0)
			continue;
		error = (struct fw_error){0};
		printf("{");
		began = now_us();
		r = run(word, n);
		began = now_us() - began;
		(void)getrusage(RUSAGE_SELF, &usage);
		printf("\"r\": %d, \"us\": %.0f, \"max_kib\": %ld, \"what\": ", r, began, usage.ru_maxrss);
		print_string(r < 0 ? error.what : "");
		printf(", \"detail\": ");
		print_string(r < 0 ? error.detail : "");
		printf("}\n");
		(void)fflush(stdout);
	}
	fw_watch_close(&watch);
	if (has_session)
		fw_session_close(&session);
	return 0;
}
