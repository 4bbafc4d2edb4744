/*
 * Terminals: the new one in the jail (jail_open_pty), and the one that we were started on.
 *
 * The latter (docker's) never crosses: whoever holds it in the jail could push input into it, or read what the
 * administrator types after his session.
 */
#pragma once

#include "util.h"

#include <termios.h>

struct pty {
	int master, slave; /* of jail_open_pty(): both O_CLOEXEC, the master O_NONBLOCK */
};
#define PTY_NONE ((struct pty){-1, -1})
void pty_close(struct pty *p);

/* Copies modes and window size of a terminal to the new one. cooked_outside: that terminal goes on processing output.
 */
void pty_copy_modes(const struct pty *p, int terminal, bool cooked_outside);
void pty_copy_size(const struct pty *p, int terminal);

/*
 * A second open file of the terminal behind fd, not blocking: O_NONBLOCK on fd itself would be set for everybody who
 * shares it, the caller's shell included. Where it cannot be opened again: a duplicate, blocking. -errno.
 */
int terminal_reopen(int fd);

/* Raw mode, undone when the variable goes out of scope. */
struct raw_mode {
	int fd; /* -1: nothing to undo */
	struct termios before, raw;
};
#define _cleanup_raw_ __attribute__((cleanup(raw_leave)))
int raw_enter(struct raw_mode *r, int fd);
void raw_again(const struct raw_mode *r); /* after a stop and SIGCONT: the shell has put back its own modes */
void raw_leave(struct raw_mode *r);
