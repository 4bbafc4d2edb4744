/*
 * Bans on the volume, so that they outlive the container: /data/app/.state/bans, as text with a sum (firewall/bans.h).
 * All of this waits for disks: it is called in children of PID 1.
 */
#pragma once

#include "bans_list.h"

#define BANS_FILE "app/.state/bans" /* below the volume's root */

/*
 * Replaces the file whole. keep: what is there was not restored in whole and is set aside first. 0 or -errno.
 * data: the volume's root.
 */
int bans_file_write(int data, const struct bans_list *list, int64_t now_s, bool keep);

/*
 * Every ban of the file that is not over, to each(), or none: -EBADMSG. A missing file is an empty one. What each()
 * returns if negative.
 */
int bans_file_read(int data, int64_t now_s, fw_ban_each *each, void *arg);
