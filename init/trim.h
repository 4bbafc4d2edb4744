/*
 * Gives back what only the boot needed: free heap, and the mapped pages of code. The kernel maps code 64 KiB around
 * each first use (fault-around), so a boot leaves most of libc in the resident set of a process that then mostly
 * sleeps.
 */
#pragma once

void trim_memory(void);
