#pragma once

#include "probe.h"

/* What the namespace is like, apart from the kernel's abilities. What cannot be found out stays as it is. */
void fw_look_around(struct fw_session *s, struct fw_probe *p);
