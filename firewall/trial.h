/* What probing shares: a table of its own. */
#pragma once

#include "internal.h"

#define FW_TRIAL_TABLE FW_TABLE "-try"

/* NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE; flags: enum nft_table_flags */
void fw_trial_table(struct fw_txn *t, uint16_t type, uint32_t flags);
void fw_trial_set(struct fw_txn *t, const char *name, uint32_t flags, uint32_t key_bytes);

/* False also if it cannot be told. */
int fw_try_element_update(struct fw_session *s, bool *has, struct fw_error *e);
