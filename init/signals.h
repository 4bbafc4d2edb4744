/*
 * Signals of PID 1. All are blocked from the first line of main on and read from a signalfd; a child gets an empty
 * mask and default dispositions back.
 *
 * Who may stop or reload us: signal(7) reaches PID 1 of a namespace from outside with si_pid 0, from inside with a
 * pid. But a sender inside may *choose* si_pid with rt_sigqueueinfo(2) (any si_code below 0 except SI_TKILL), so
 * only SI_USER, SI_TKILL and SI_KERNEL are believed, which it cannot choose.
 */
#pragma once

#include "loop.h"

#include <sys/signalfd.h>

void signals_block(void);	   /* first thing in main */
void signals_reset_in_child(void); /* after fork: default dispositions, empty mask */

/*
 * told() gets every signal but SIGCHLD, which goes to chld(); chld returns how many it reaped. In a storm of deaths all
 * signals rest for SIGNALS_REST_MS at a time: one wake-up then serves a hundred of them. 0 or -errno.
 */
enum { SIGNALS_REST_MS = 5 };
int signals_open(void (*told)(const struct signalfd_siginfo *), unsigned (*chld)(void));

/* Pure: may this signal command us? root_is_ours is asked only for a sender inside the namespace. */
bool signals_trusted(const struct signalfd_siginfo *si, bool (*root_is_ours)(uint32_t pid));

/* True if that process has our root folder; false if it cannot be seen (it may be gone). */
bool signals_root_is_ours(uint32_t pid);

const char *signals_name(int sig); /* "TERM" */
