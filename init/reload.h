/* Reads the settings again and applies what can change while everything runs. */
#pragma once

#include "daemon.h"

/* 0, or -EBUSY. cfg is changed in place, or not at all. opened: the packet filter is to be renewed. */
int reload_start(struct config *cfg, const char *const *env, bool opened, const struct daemon_reload *told);

/* The text of /data/app/zimbra.conf into buf (CONFIG_FILE_MAX + 1); its length, 0 if there is none, or -errno. Blocks.
 */
ssize_t reload_read_conf(char *buf);
/* A config_read_file: a NAME_FILE in the container. */
ssize_t reload_read_secret(const char *path, char *buf, size_t max);
