#include "internal.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fw_fail(struct fw_error *e, int err, const char *what, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return err;
	*e = (struct fw_error){.err = err};
	(void)snprintf(e->what, sizeof(e->what), "%s", what);
	va_start(ap, fmt);
	(void)vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
	return err;
}

const char *fw_error_text(const struct fw_error *err, char *buf, size_t size)
{
	const char *desc = strerrordesc_np(-err->err);

	(void)snprintf(buf, size, "%s: %s%s%s", err->what, desc ? desc : "?", err->detail[0] ? ": " : "", err->detail);
	return buf;
}

const char *fw_mode_name(enum fw_mode mode)
{
	switch (mode) {
	case FW_ABSENT:
		return "absent";
	case FW_CLOSED:
		return "closed";
	case FW_OPEN:
		return "open";
	case FW_MONITOR:
		return "monitor";
	case FW_ALTERED:
	default:
		return "altered";
	}
}

/* The name of the expression that the offset of an error points into; NULL if it is something else. */
static const char *expression_at(const struct nlmsghdr *nlh, uint32_t offset)
{
	const char *at = (const char *)nlh + offset;
	const struct nlattr *list, *elem, *attr;

	mnl_attr_for_each (list, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_RULE_EXPRESSIONS)
			continue;
		mnl_attr_for_each_nested (elem, list) {
			if (at < (const char *)elem || at >= (const char *)elem + elem->nla_len)
				continue;
			mnl_attr_for_each_nested (attr, elem) {
				if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
					return mnl_attr_get_str(attr);
			}
		}
	}
	return NULL;
}

static const char *refused_expression(const struct fw_txn *t, uint32_t refused_at, uint32_t offset)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)t->buf;
	int len = (int)t->len;

	for (uint32_t i = 0; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len), i++) {
		if (i == refused_at && offset && offset < nlh->nlmsg_len &&
		    nlh->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE))
			return expression_at(nlh, offset);
	}
	return NULL;
}

int fw_fail_refused(struct fw_error *e, const struct fw_txn *t, uint32_t at, const struct fw_ack *ack, uint32_t owner)
{
	const char *what = t->what[at];
	const char *expr = refused_expression(t, at, ack->offset);
	int err = ack->err;

	if (expr)
		return fw_fail(e, err, what, "the kernel does not take the expression \"%s\"%s%s", expr,
			       ack->text[0] ? ": " : "", ack->text);
	if (err == -EPERM && at > 0 && owner)
		return fw_fail(e, err, what, "table inet " FW_TABLE " belongs to another process (netlink port %u)",
			       owner);
	if (ack->text[0])
		return fw_fail(e, err, what, "%s", ack->text);
	/* BATCH_BEGIN stands for the whole: no permission, no subsystem, or a failed commit. */
	if (at == 0 && err == -EPERM)
		return fw_fail(e, err, what, "no CAP_NET_ADMIN in this network namespace");
	if (at == 0 && err == -EOPNOTSUPP)
		return fw_fail(e, err, what, "the kernel has no nf_tables");
	if (at == 0 && err == -ERESTART)
		return fw_fail(e, err, what, "somebody changed the rules in the meantime");
	if (err == -EPERM)
		return fw_fail(e, err, what, "table inet " FW_TABLE " belonged to another process (flags owner)");
	return fw_fail(e, err, what, "%s", "");
}
