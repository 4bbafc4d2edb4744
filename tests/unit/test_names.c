/* The jail's /etc/hosts as golden text, and which of its names a server gets. */
#include "../../init/boot/names.h"
#include "support.h"

#define HEAD   "127.0.0.1 localhost.localdomain localhost\n::1 localhost ip6-localhost ip6-loopback\n"
#define MIDDLE "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
#define TAIL   "# Written by zimbra-init at every start. Further entries: docker run --add-host, or hostAliases.\n"

static const char docker_hosts[] = "127.0.0.1\tlocalhost\n"
				   "::1\tlocalhost ip6-localhost ip6-loopback\n"
				   "fe00::0\tip6-localnet\n"
				   "ff00::0\tip6-mcastprefix\n"
				   "ff02::1\tip6-allnodes\n"
				   "ff02::2\tip6-allrouters\n"
				   "172.17.0.2\tmail.example.com mail\n";

static struct names_facts facts_of(const char *fqdn, const char *const *addresses)
{
	struct names_facts f = {0};

	for (; addresses && *addresses; addresses++)
		(void)names_add_address(&f, *addresses);
	if (fqdn)
		assert_int_equal(names_choose(&f, fqdn, "", "", "", 0), 0);
	return f;
}

static void golden(const struct names_facts *f, const char *hosts, const char *want)
{
	char out[4096];
	ssize_t n = names_make_hosts(f, hosts, strlen(hosts), out, sizeof(out));

	assert_int_equal(n, (ssize_t)strlen(want));
	assert_string_equal(out, want);
	/* One byte less is too little, and is said. */
	assert_int_equal(names_make_hosts(f, hosts, strlen(hosts), out, strlen(want)), -ENOSPC);
}

static void ipv4_only(void **state)
{
	struct names_facts f = facts_of("mail.example.com", (const char *const[]){"172.17.0.2", NULL});

	(void)state;
	golden(&f, docker_hosts,
	       HEAD "172.17.0.2 mail.example.com mail\n" MIDDLE "fe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\n" TAIL);
}

static void ipv6_only(void **state)
{
	struct names_facts f = facts_of("mail.example.com", (const char *const[]){"2001:db8::2", NULL});

	(void)state;
	golden(&f, "::1 localhost\n2001:db8::2 mail.example.com mail\n",
	       HEAD "2001:db8::2 mail.example.com mail\n" MIDDLE TAIL);
}

/* IPv4 comes first whatever the order of the interfaces; loopback and link-local never. */
static void both(void **state)
{
	struct names_facts f =
		facts_of("mail.example.com",
			 (const char *const[]){"127.0.0.1", "fe80::1", "2001:db8::2", "172.17.0.2", "fd00::2",
					       "10.0.0.5", "::1", "2001:DB8:0::2", "169.254.1.1", "x", NULL});

	(void)state;
	assert_int_equal(f.n, 4);
	golden(&f, "",
	       HEAD "172.17.0.2 mail.example.com mail\n10.0.0.5 mail.example.com mail\n"
		    "2001:db8::2 mail.example.com mail\nfd00::2 mail.example.com mail\n" MIDDLE TAIL);
}

static void no_address(void **state)
{
	struct names_facts f = facts_of("mail.example.com", NULL);

	(void)state;
	golden(&f, docker_hosts, HEAD MIDDLE "fe00::0 ip6-localnet\nff00::0 ip6-mcastprefix\n" TAIL);
}

static void extra_entries(void **state)
{
	struct names_facts f = facts_of("Mail.Example.COM", (const char *const[]){"10.1.2.3", NULL});

	(void)state;
	assert_string_equal(f.fqdn, "mail.example.com");
	golden(&f,
	       "# Kubernetes-managed hosts file.\n"
	       "127.0.0.1\tlocalhost\n"
	       "10.1.2.3\tzimbra-0.zimbra.mail.svc.cluster.local\tzimbra-0\n"
	       "\n"
	       "# Entries added by HostAliases.\n"
	       "10.9.9.9\tbackup.example.net backup # the other one\n"
	       "127.0.0.1 loop.example.net\n"
	       "203.0.113.1 mail.example.com MAIL other.example.com\n"
	       "not-an-address x\n"
	       "10.0.0.1\n"
	       "10.0.0.2 bad_name $(x) good\r\n"
	       "2001:db8::9 six",
	       HEAD "10.1.2.3 mail.example.com mail\n" MIDDLE
		    "10.1.2.3 zimbra-0.zimbra.mail.svc.cluster.local zimbra-0\n"
		    "10.9.9.9 backup.example.net backup\n"
		    "127.0.0.1 loop.example.net\n"
		    "203.0.113.1 other.example.com\n"
		    "10.0.0.2 good\n"
		    "2001:db8::9 six\n" TAIL);
}

static void chooses(void **state)
{
	static const char k8s[] = "127.0.0.1 localhost\n10.1.2.3 pod-0.mail.ns.svc.cluster.local pod-0\n";
	static const struct {
		const char *external, *ours, *kernel, *hosts;
		int r;
		const char *fqdn;
	} t[] = {
		{"a.example.com", "b.example.com", "c.example.com", "", 0, "a.example.com"},
		{"", "b.example.com", "c.example.com", "", 0, "b.example.com"},
		{"", "", "C.Example.com.", "", 0, "c.example.com"},
		{"", "", "pod-0", k8s, 0, "pod-0.mail.ns.svc.cluster.local"},
		{"", "", "other", k8s, -ENOENT, ""},
		{"", "", "po", k8s, -ENOENT, ""},
		{"", "", "d0c0ffee", "10.1.2.3 d0c0ffee\n", -ENOENT, ""},
		{"", "", "mail", "10.9.9.9 mail.example.com mail\n", -ENOENT, ""}, /* not our address */
		{"", "", "", "", -ENOENT, ""},
		{"mail", "b.example.com", "c.example.com", "", -EINVAL, ""},
		{"", "", "under_score.example.com", "", -EINVAL, ""},
		{"192.0.2.1", "", "", "", -EINVAL, ""},
		{"-a.example.com", "", "", "", -EINVAL, ""},
		{"a..com", "", "", "", -EINVAL, ""},
		{"a.example.com\nevil", "", "", "", -EINVAL, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct names_facts f = facts_of(NULL, (const char *const[]){"10.1.2.3", NULL});

		assert_int_equal(
			names_choose(&f, t[i].external, t[i].ours, t[i].kernel, t[i].hosts, strlen(t[i].hosts)),
			t[i].r);
		assert_string_equal(f.fqdn, t[i].fqdn);
	}
}

static void valid(void **state)
{
	char label[65], name[300];

	(void)state;
	memset(label, 'a', 64);
	label[63] = '\0';
	assert_true(names_valid(label, 1));
	label[63] = 'a';
	label[64] = '\0';
	assert_false(names_valid(label, 1));
	memset(name, 0, sizeof(name));
	for (size_t i = 0; i < 253; i++)
		name[i] = i % 2 ? '.' : 'a';
	assert_true(names_valid(name, 2));
	name[253] = 'a';
	assert_false(names_valid(name, 2));
	assert_false(names_valid("", 1));
	assert_false(names_valid("a.", 1));
	assert_false(names_valid(".a", 1));
	assert_false(names_valid("a-.b", 1));
	assert_true(names_valid("3com.com", 2));
	assert_false(names_valid("com", 2));
}

static void many(void **state)
{
	struct names_facts f = {0};
	char text[40];

	(void)state;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(text, sizeof(text), i % 2 ? "10.0.0.%d" : "fd00::%d", i + 1);
		(void)names_add_address(&f, text);
	}
	assert_int_equal(f.n, NAMES_ADDRESSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_only),  cmocka_unit_test(ipv6_only),     cmocka_unit_test(both),
		cmocka_unit_test(no_address), cmocka_unit_test(extra_entries), cmocka_unit_test(chooses),
		cmocka_unit_test(valid),      cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
