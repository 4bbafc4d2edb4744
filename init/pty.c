#include "pty.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

void pty_close(struct pty *p)
{
	cleanup_close(&p->master);
	cleanup_close(&p->slave);
	*p = PTY_NONE;
}

void pty_copy_size(const struct pty *p, int terminal)
{
	struct winsize ws;

	/* The kernel sends SIGWINCH to the foreground group in the jail, and only if the size differs. */
	if (ioctl(terminal, TIOCGWINSZ, &ws) == 0)
		(void)ioctl(p->master, TIOCSWINSZ, &ws);
}

void pty_copy_modes(const struct pty *p, int terminal, bool cooked_outside)
{
	struct termios t;

	if (tcgetattr(terminal, &t) < 0)
		return;
	if (cooked_outside)
		t.c_oflag &= ~(tcflag_t)OPOST; /* once is enough: else each line would end in \r\r\n */
	(void)tcsetattr(p->slave, TCSANOW, &t);
	pty_copy_size(p, terminal);
}

int terminal_reopen(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (again < 0)
		again = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return again < 0 ? -errno : again;
}

int raw_enter(struct raw_mode *r, int fd)
{
	r->fd = -1;
	if (tcgetattr(fd, &r->before) < 0)
		return -errno;
	r->raw = r->before;
	cfmakeraw(&r->raw);
	if (tcsetattr(fd, TCSANOW, &r->raw) < 0) /* not TCSAFLUSH: what was typed ahead is meant for the command */
		return -errno;
	r->fd = fd;
	return 0;
}

void raw_again(const struct raw_mode *r)
{
	if (r->fd >= 0)
		(void)tcsetattr(r->fd, TCSANOW, &r->raw);
}

void raw_leave(struct raw_mode *r)
{
	if (r->fd >= 0)
		(void)tcsetattr(r->fd, TCSANOW, &r->before); /* not TCSADRAIN: it waits for readers that may be gone */
	r->fd = -1;
}
