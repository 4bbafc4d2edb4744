/* The packet filter's policy, as the settings have it. */
#pragma once

#include "config.h"

/* Pure. Fills c->policy and c->admin_port_cut from values that config_check() has seen. */
void config_policy(struct config *c);
