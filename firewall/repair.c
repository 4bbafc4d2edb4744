#include "watch.h"

int64_t fw_repair_at(struct fw_repair *r, int64_t now_ms)
{
	if (r->step_ms && r->at_ms > now_ms) /* planned already */
		return r->at_ms;
	if (r->step_ms == 0 || now_ms - r->at_ms >= FW_REPAIR_QUIET_MS) {
		*r = (struct fw_repair){.at_ms = now_ms, .step_ms = FW_REPAIR_FIRST_MS};
		return now_ms;
	}
	r->at_ms += r->step_ms;
	if (r->at_ms < now_ms)
		r->at_ms = now_ms;
	r->step_ms = r->step_ms * 2 < FW_REPAIR_LAST_MS ? r->step_ms * 2 : FW_REPAIR_LAST_MS;
	return r->at_ms;
}
