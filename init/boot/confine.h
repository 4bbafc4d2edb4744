/* mmdebstrap runs the new system's own scripts before there is a jail: this keeps them together and small. */
#pragma once

/*
 * For run_program's before_exec. The program becomes process 1 of a process namespace of its own, in a mount namespace
 * of its own: when it is killed, by us or with us, nothing that it started goes on and nothing stays mounted. It keeps
 * only the capabilities that mmdebstrap needs. 0 or -errno (-EPERM, -EACCES: the container may not mount).
 */
int confine_bootstrap(void);
