/* The server's side of control.h; PID 1 only. */
#pragma once

/* Listens at CONTROL_SOCKET, whose folder must exist with mode 0700. 0 or -errno. */
int control_open(void);

/* Hangs up on everybody: `zctl stop --wait` hears of the end before the kernel takes it along with us. */
void control_close(void);
