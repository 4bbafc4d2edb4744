/*
 * Bans: who is dropped before anything is looked at, for a time or for good. Single addresses lie in hash sets (ban4,
 * ban6), networks in interval sets (bannet4, bannet6) of our table; the kernel counts the time. The table has to be
 * there. session may be NULL, err too.
 */
#pragma once

#include "session.h"

struct fw_ban {
	struct fw_prefix who;
	uint64_t left_ms; /* 0: for good */
};

enum { FW_BAN_WHY = FW_PREFIX_STRLEN + 64 };

struct fw_ban_result {
	size_t done, refused; /* refused: by fw_ban_check(); the first of them says why */
	char why[FW_BAN_WHY];
};

/*
 * Who can never be banned: loopback, unspecified, multicast, broadcast, IPv4 in IPv6, a network so large that it is a
 * mistake (IPv4 /7 and larger, IPv6 /15), and what overlaps with never (own addresses, gateway, trusted; NULL: none).
 * 0, -EINVAL: not a ban, -EACCES: never. why (FW_BAN_WHY or more) says it in words.
 */
int fw_ban_check(const struct fw_prefix *who, const struct fw_prefixes *never, char *why, size_t size);

/*
 * Adds all that may be banned. An address that is banned already is from now on banned for the new time; networks that
 * overlap, with each other or with banned ones, melt, for the longest of their times. Many are added in pieces, each of
 * them atomic: result->done were added when it failed. Memory: fixed, and 56 bytes for each network (not address).
 * -ENFILE: the set is full. -EINVAL, -EACCES: not one of them may be banned. result may be NULL.
 */
int fw_ban_add(struct fw_session *s, const struct fw_ban *bans, size_t n, const struct fw_prefixes *never,
	       struct fw_ban_result *result, struct fw_error *err);

/*
 * Afterwards nothing of `who` is banned: addresses in it are taken out, networks lose that part and keep their time.
 * 0 also if there was nothing.
 */
int fw_ban_del(struct fw_session *s, const struct fw_prefix *who, struct fw_error *err);

int fw_ban_flush(struct fw_session *s, struct fw_error *err);

/*
 * Every ban, in no order. A change in between (anybody's, also of other tables) begins it again: each(NULL) says that
 * what came so far does not count. A negative value of each() ends it, and is returned. -EAGAIN: it kept changing; what
 * came since the last each(NULL) is nearly all.
 */
typedef int fw_ban_each(const struct fw_ban *ban, void *data);
int fw_ban_list(struct fw_session *s, fw_ban_each *each, void *data, struct fw_error *err);

/* --- bansave.c, pure: bans as text, so that they survive the end of the kernel's table --- */

/*
 * zimbra-bans 1 1795299999        format, and when it was written (UTC, seconds)
 * 192.0.2.7 3600                  who, seconds left (rounded up)
 * 2001:db8::/32 -                 for good
 * end 2 5d41402a                  how many, CRC-32 of all before this line
 */
enum { FW_BAN_LINE = FW_PREFIX_STRLEN + 32 };

struct fw_ban_writer {
	uint32_t crc;
	size_t count;
};

/* Each writes one line into line (FW_BAN_LINE or more) and returns its length. */
size_t fw_bans_write_begin(struct fw_ban_writer *w, int64_t now_s, char *line, size_t size);
size_t fw_bans_write(struct fw_ban_writer *w, const struct fw_ban *ban, char *line, size_t size);
size_t fw_bans_write_end(struct fw_ban_writer *w, char *line, size_t size);

/*
 * Gives every ban that is not over at now_s to each(), or none: -EBADMSG if anything about the text is wrong. A clock
 * that went backwards since then takes nothing off.
 */
int fw_bans_parse(const char *text, size_t n, int64_t now_s, fw_ban_each *each, void *data);
