/* The answers file: golden text, refused values, and that both of its readers see the same values. */
#include "../../init/zimbra/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct zi_answers example(void)
{
	return (struct zi_answers){.fqdn = "mail.example.com",
				   .domain = "example.com",
				   .admin_password = "Aa0-_.,:@%+=/",
				   .networks = "127.0.0.0/8 [::1]/128 172.17.0.2/32 [2001:db8::2]/128",
				   .ip_mode = "both",
				   .timezone = "Europe/Berlin",
				   .suffix = "k3jd9sla0q"};
}

static const char golden[] =
	"INSTALL_PACKAGES=\"zimbra-core zimbra-ldap zimbra-logger zimbra-mta zimbra-snmp zimbra-store zimbra-apache "
	"zimbra-spell zimbra-memcached zimbra-proxy\"\n"
	"USE_ZIMBRA_PACKAGE_SERVER=\"yes\"\n"
	"PACKAGE_SERVER=\"repo.zimbra.com\"\n"
	"UPGRADE=\"no\"\n"
	"REMOVE=\"no\"\n"
	"HOSTNAME=\"mail.example.com\"\n"
	"LDAPHOST=\"mail.example.com\"\n"
	"SMTPHOST=\"mail.example.com\"\n"
	"zimbraIPMode=\"both\"\n"
	"zimbraMtaMyNetworks=\"127.0.0.0/8 [::1]/128 172.17.0.2/32 [2001:db8::2]/128\"\n"
	"CREATEDOMAIN=\"example.com\"\n"
	"DOCREATEDOMAIN=\"yes\"\n"
	"zimbraDefaultDomainName=\"example.com\"\n"
	"CREATEADMIN=\"admin@example.com\"\n"
	"DOCREATEADMIN=\"yes\"\n"
	"CREATEADMINPASS=\"Aa0-_.,:@%+=/\"\n"
	"AVUSER=\"admin@example.com\"\n"
	"AVDOMAIN=\"example.com\"\n"
	"SMTPSOURCE=\"admin@example.com\"\n"
	"SMTPDEST=\"admin@example.com\"\n"
	"zimbraVersionCheckNotificationEmail=\"admin@example.com\"\n"
	"zimbraVersionCheckNotificationEmailFrom=\"admin@example.com\"\n"
	"TRAINSASPAM=\"spam.k3jd9sla0q@example.com\"\n"
	"TRAINSAHAM=\"ham.k3jd9sla0q@example.com\"\n"
	"VIRUSQUARANTINE=\"virus-quarantine.k3jd9sla0q@example.com\"\n"
	"PROXYMODE=\"redirect\"\n"
	"STRICTSERVERNAMEENABLED=\"yes\"\n"
	"zimbraPrefTimeZoneId=\"Europe/Berlin\"\n"
	"STARTSERVERS=\"yes\"\n";

static void golden_text(void **state)
{
	struct zi_answers a = example();
	char buf[ZI_ANSWERS_MAX];
	const char *bad;

	(void)state;
	assert_int_equal(zi_answers_render(&a, buf, sizeof(buf), &bad), (int)strlen(golden));
	assert_null(bad);
	assert_string_equal(buf, golden);
	assert_int_equal(zi_answers_render(&a, buf, strlen(golden), &bad), -E2BIG);
}

static void variants(void **state)
{
	struct zi_answers a = example();
	char buf[ZI_ANSWERS_MAX];
	const char *bad;

	(void)state;
	a.remove = true;
	a.timezone = "Etc/UTC";
	a.limit_mb = 8192;
	a.host_mb = 65536;
	assert_true(zi_answers_render(&a, buf, sizeof(buf), &bad) > 0);
	assert_non_null(strstr(buf, "\nREMOVE=\"yes\"\n"));
	assert_null(strstr(buf, "zimbraPrefTimeZoneId"));
	assert_non_null(strstr(buf, "\nMAILBOXDMEMORY=\"2048\"\nMYSQLMEMORYPERCENT=\"3\"\n"));

	a.limit_mb = 20480; /* above 16 GB: a fifth */
	assert_true(zi_answers_render(&a, buf, sizeof(buf), &bad) > 0);
	assert_non_null(strstr(buf, "\nMAILBOXDMEMORY=\"4096\"\nMYSQLMEMORYPERCENT=\"9\"\n"));

	a.limit_mb = 65536; /* no limit of its own */
	assert_true(zi_answers_render(&a, buf, sizeof(buf), &bad) > 0);
	assert_null(strstr(buf, "MEMORY"));
}

static void refused(void **state)
{
	/* What bash, Perl's qx or su's shell would act on, and what ends a value or a line. */
	static const char *const evil[] = {"secret'",	  "secret\"",  "secret$x",	"secret`id`", "secret\\",
					   "secret\nX=1", "secret;id", "secret|id",	"secret&",    "secret x",
					   "secret\t",	  "secret(",   "secret<",	"secret!",    "secret#",
					   "secret*",	  "secret~",   "secr\xc3\xa9t", "short",      ""};
	char buf[ZI_ANSWERS_MAX], long_one[ZI_PASSWORD + 1];
	const char *bad;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(evil); i++) {
		struct zi_answers a = example();
		assert_false(zi_password_ok(evil[i]));
		a.admin_password = evil[i];
		assert_int_equal(zi_answers_render(&a, buf, sizeof(buf), &bad), -EINVAL);
		assert_string_equal(bad, "CREATEADMINPASS");
		a = example();
		a.domain = evil[i];
		if (strpbrk(evil[i], "'\"$`\\\n;|& \t(<!#*~\xc3")) {
			assert_int_equal(zi_answers_render(&a, buf, sizeof(buf), &bad), -EINVAL);
			assert_string_equal(bad, "CREATEDOMAIN");
		}
	}
	memset(long_one, 'a', sizeof(long_one));
	long_one[ZI_PASSWORD] = '\0';
	assert_false(zi_password_ok(long_one));
	long_one[ZI_PASSWORD - 1] = '\0';
	assert_true(zi_password_ok(long_one));

	struct zi_answers a = example();
	a.networks = "127.0.0.0/8 $(id)";
	assert_int_equal(zi_answers_render(&a, buf, sizeof(buf), &bad), -EINVAL);
	assert_string_equal(bad, "zimbraMtaMyNetworks");
	a = example();
	a.fqdn = "mail.example.com\"\nREMOVE=\"yes";
	assert_int_equal(zi_answers_render(&a, buf, sizeof(buf), &bad), -EINVAL);
	assert_string_equal(bad, "HOSTNAME");
}

/* bash's `source` (install.sh) against split('=', 2) and s/"//g (zmsetup.pl), on the real programs. */
static void both_readers(void **state)
{
	static const char script[] =
		"set -e; f=$(mktemp); cat >$f; "
		"(set -a; . $f; perl -ne '($k)=split /=/; print \"$k=$ENV{$k}\\n\"' $f) >$f.bash; "
		"perl -ne 'chomp; my ($k,$v)=split(\"=\",$_,2); $v=~s/\"//g; print \"$k=$v\\n\"' $f >$f.perl; "
		"cmp $f.bash $f.perl; rm -f $f $f.bash $f.perl";
	FILE *p;

	(void)state;
	if (access("/usr/bin/perl", X_OK) != 0 || access("/bin/bash", X_OK) != 0)
		skip();
	assert_int_equal(setenv("SCRIPT", script, 1), 0);
	p = popen("/bin/bash -c \"$SCRIPT\"", "w");
	assert_non_null(p);
	assert_int_equal(fwrite(golden, 1, strlen(golden), p), strlen(golden));
	assert_int_equal(pclose(p), 0);
}

static void networks(void **state)
{
	char list[64] = "127.0.0.0/8 [::1]/128";

	(void)state;
	assert_int_equal(zi_networks_add(list, sizeof(list), AF_INET, "10.0.0.7"), 0);
	assert_int_equal(zi_networks_add(list, sizeof(list), AF_INET6, "fd00::7"), 0);
	assert_string_equal(list, "127.0.0.0/8 [::1]/128 10.0.0.7/32 [fd00::7]/128");
	assert_int_equal(zi_networks_add(list, sizeof(list), AF_INET6, "2001:db8:1:2:3:4:5:6"), -E2BIG);
	assert_string_equal(list, "127.0.0.0/8 [::1]/128 10.0.0.7/32 [fd00::7]/128");
}

static void domains(void **state)
{
	char out[ZI_FQDN];

	(void)state;
	assert_int_equal(zi_first_domain("a.example,b.example", "mail.x.org", out), 0);
	assert_string_equal(out, "a.example");
	assert_int_equal(zi_first_domain("", "mail.x.org", out), 0);
	assert_string_equal(out, "x.org");
	assert_int_equal(zi_first_domain("", "x.org", out), 0); /* the name is the domain */
	assert_string_equal(out, "x.org");
	assert_int_equal(zi_first_domain("", "localhost", out), -EINVAL);
	assert_true(zi_list_entry(" a.b ,c.d", 1, out));
	assert_string_equal(out, "c.d");
	assert_false(zi_list_entry(" a.b ,c.d", 2, out));
	assert_false(zi_list_entry("", 0, out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(golden_text),	cmocka_unit_test(variants), cmocka_unit_test(refused),
		cmocka_unit_test(both_readers), cmocka_unit_test(networks), cmocka_unit_test(domains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
