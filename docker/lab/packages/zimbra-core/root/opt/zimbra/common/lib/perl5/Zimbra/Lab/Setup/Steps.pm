package Zimbra::Lab::Setup::Steps;

# The steps of zmsetup.pl, in Zimbra's order and with its words. Each looks at
# what is there first, so that doing it twice changes nothing.

use strict;
use warnings;
use Zimbra::Lab qw(lc_get lc_write slurp write_file run);
use Zimbra::Lab::Ldap qw(ldap_connect ldap_connect_root entry ensure_entry replace_attrs server_dn domain_dn ssha new_id);
use Zimbra::Lab::Setup::Certs;

my $H = '/opt/zimbra';

sub apply {
    my ($s) = @_;
    my $c    = $s->{config};
    my %have = %{ $s->{installed} };
    $s->stage('configLCValues',  sub { local_config($s) });
    $s->stage('configInitCore',  sub { $s->step('Initializing core config', sub { run(["$H/libexec/zmfixperms"]) == 0 }) });
    $s->stage('configCASetup',   sub { Zimbra::Lab::Setup::Certs::ca($s) });
    $s->stage('configCreateCert', sub { Zimbra::Lab::Setup::Certs::server($s) });
    for my $w (['Store', 'mailboxd', 'zimbra-store'], ['MTA', 'MTA', 'zimbra-mta'], ['LDAP', 'LDAP', 'zimbra-ldap'], ['Proxy', 'Proxy', 'zimbra-proxy']) {
        my ($stage, $what, $pkg) = @$w;
        $s->stage("configInstallCert$stage", sub { Zimbra::Lab::Setup::Certs::install($s, $stage, $what) if $have{$pkg} });
    }
    $s->stage('configSetupLdap', sub { setup_ldap($s) });
    start_ldap($s);
    $s->stage('configCreateServerEntry', sub { server_entry($s) });
    $s->stage('configSaveCA',    sub { Zimbra::Lab::Setup::Certs::save_ca($s) });
    $s->stage('configSaveCert',  sub { Zimbra::Lab::Setup::Certs::save_cert($s) });
    $s->stage('configSetServicePorts', sub { service_ports($s) });
    $s->stage('zimbraPrefTimeZoneId', sub { prov($s, 'Setting TimeZone Preference', "mc default zimbraPrefTimeZoneId " . word($c->{zimbraPrefTimeZoneId})) });
    $s->stage('configSetProxyPrefs', sub { proxy_prefs($s) }) if $have{'zimbra-proxy'};
    $s->stage('configCreateDomain', sub { create_domain($s) });
    $s->stage('configInitMta',   sub { init_mta($s) }) if $have{'zimbra-mta'};
    $s->stage('configSetEnabledServices', sub { enable_services($s) });
    $s->stage('configInitSql',   sub { prov($s, "Setting zimbraSmtpHostname for $c->{HOSTNAME}", "ms $c->{HOSTNAME} zimbraSmtpHostname " . word($c->{SMTPHOST})) });
    $s->stage('configSyslog',    sub { syslog_setup($s) });
    prov($s, undef, "ms $c->{HOSTNAME} zimbraServerVersion " . Zimbra::Lab::release_version());
    $s->step('Writing configuration files', sub { $s->zimbra(["$H/libexec/configrewrite"]) == 0 });
    start_servers($s) if lc($c->{STARTSERVERS}) eq 'yes';
    return;
}

# A word for zmprov's line parser.
sub word {
    my ($v) = @_;
    $v =~ s/(["'\\])/\\$1/g;
    return qq("$v");
}

# Commands to zmprov by its standard input, so that no password is in a command line.
sub zmprov {
    my ($s, @lines) = @_;
    my $say = join '; ', map { /^(ca \S+)/ ? "$1 ******" : $_ } @lines;
    return $s->zimbra(["$H/bin/zmprov", '-r', '-l'], stdin => join('', map { "$_\n" } @lines, 'exit'), say => "zmprov -r -l: $say");
}

sub prov {
    my ($s, $text, @lines) = @_;
    return zmprov($s, @lines) == 0 unless defined $text;
    return $s->step($text, sub { zmprov($s, @lines) == 0 });
}

sub local_config {
    my ($s) = @_;
    my $c   = $s->{config};
    my $url = "ldap://$c->{HOSTNAME}:$c->{LDAPPORT}";
    $s->must('Setting local config values', sub {
        my @pw = getpwnam('zimbra');
        my %set = (
            zimbra_server_hostname => $c->{HOSTNAME}, ldap_host => $c->{LDAPHOST}, ldap_port => $c->{LDAPPORT}, ldap_url => $url, ldap_master_url => $url,
            ldap_is_master => 'true', ldap_starttls_supported => 1, zimbra_uid => $pw[2], zimbra_gid => $pw[3],
            ldap_root_password => $c->{LDAPROOTPASS}, zimbra_ldap_password => $c->{LDAPADMINPASS}, ldap_postfix_password => $c->{LDAPPOSTPASS},
            ldap_nginx_password => $c->{ldap_nginx_password}, mailboxd_keystore_password => $c->{mailboxd_keystore_password},
            smtp_destination => $c->{SMTPDEST}, smtp_source => $c->{SMTPSOURCE}, smtp_notify => $c->{SMTPNOTIFY}, av_notify_user => $c->{AVUSER}, av_notify_domain => $c->{AVDOMAIN},
        );
        $set{zimbra_require_interprocess_security} = $c->{zimbra_require_interprocess_security} if defined $c->{zimbra_require_interprocess_security};
        lc_write(%set);
        1;
    });
    return;
}

sub start_ldap {
    my ($s) = @_;
    return if $s->zimbra(["$H/bin/ldap", 'status']) == 0;
    $s->must('Starting ldap', sub { $s->zimbra(["$H/bin/ldap", 'start']) == 0 });
    return;
}

sub setup_ldap {
    my ($s) = @_;
    my $c = $s->{config};
    # a directory whose making was cut short is made anew; one that is whole stays
    $s->zimbra(["$H/bin/ldap", 'stop']) unless -f "$H/data/ldap/config/cn=config.ldif";
    $s->must('Initializing ldap', sub { $s->zimbra(["$H/libexec/zmldapinit"]) == 0 });
    start_ldap($s);
    $s->must('Creating the directory tree', sub {
        my $ldap = ldap_connect_root();
        my $role = 'organizationalRole';
        my @tree = (
            ['cn=zimbra', objectClass => $role, cn => 'zimbra', description => 'Zimbra Systems Application Data'],
            ['cn=config,cn=zimbra', objectClass => 'zimbraGlobalConfig', cn => 'config', zimbraId => new_id(), zimbraComponentAvailable => 'lab'],
            (map { ["cn=$_,cn=zimbra", objectClass => $role, cn => $_] } qw(admins appaccts cos servers)),
            ['cn=default,cn=cos,cn=zimbra', objectClass => 'zimbraCOS', cn => 'default', zimbraId => new_id()],
        );
        ensure_entry($ldap, @$_) for @tree;
        my %secret = (lc_get('zimbra_ldap_userdn') => 'zimbra_ldap_password', 'uid=zmpostfix,cn=appaccts,cn=zimbra' => 'ldap_postfix_password',
            'uid=zmnginx,cn=appaccts,cn=zimbra' => 'ldap_nginx_password');
        for my $dn (sort keys %secret) {
            my ($uid) = $dn =~ /^uid=(\w+)/;
            my $hash = ssha(lc_get($secret{$dn}));
            ensure_entry($ldap, $dn, objectClass => ['inetOrgPerson'], uid => $uid, cn => $uid, sn => $uid, userPassword => $hash)
              or replace_attrs($ldap, $dn, userPassword => [$hash]);
        }
        1;
    });
    return;
}

sub server_entry {
    my ($s) = @_;
    my $c = $s->{config};
    $s->step("Creating server entry for $c->{HOSTNAME}", sub {
        return \"already exists.\n" if entry(ldap_connect(), server_dn($c->{HOSTNAME}));
        return zmprov($s, "cs $c->{HOSTNAME}") == 0;
    });
    prov($s, 'Setting Zimbra IP Mode', "ms $c->{HOSTNAME} zimbraIPMode $c->{zimbraIPMode}");
    return;
}

sub service_ports {
    my ($s) = @_;
    my $c = $s->{config};
    my %port = (zimbraMailPort => 'HTTPPORT', zimbraMailSSLPort => 'HTTPSPORT', zimbraMailProxyPort => 'HTTPPROXYPORT', zimbraMailSSLProxyPort => 'HTTPSPROXYPORT',
        zimbraImapBindPort => 'IMAPPORT', zimbraImapSSLBindPort => 'IMAPSSLPORT', zimbraImapProxyBindPort => 'IMAPPROXYPORT', zimbraImapSSLProxyBindPort => 'IMAPSSLPROXYPORT',
        zimbraPop3BindPort => 'POPPORT', zimbraPop3SSLBindPort => 'POPSSLPORT', zimbraPop3ProxyBindPort => 'POPPROXYPORT', zimbraPop3SSLProxyBindPort => 'POPSSLPROXYPORT');
    my $set = join ' ', map { "$_ $c->{$port{$_}}" } sort keys %port;
    prov($s, "Setting service ports on $c->{HOSTNAME}", "ms $c->{HOSTNAME} $set zimbraMailMode $c->{MODE}");
    return;
}

# Only "yes" makes it strict: TRUE does not, as in Zimbra.
sub proxy_prefs {
    my ($s) = @_;
    my $c = $s->{config};
    my ($v) = (run(['/usr/sbin/nginx', '-v']))[1] =~ m{nginx/([\d.]+)};
    my @v = split /\./, $v // '0.0.0';
    my $flag = "$H/conf/.mail_proxy_protocol";
    if ($v[0] > 1 || $v[1] > 19 || ($v[1] == 19 && $v[2] >= 8)) { write_file($flag, '', owner => 'zimbra:zimbra', mode => 0644) }
    else                                                        { unlink $flag }
    my $strict = $c->{STRICTSERVERNAMEENABLED} eq 'yes';
    prov($s, ($strict ? 'Enabling' : 'Disabling') . " strict server name enforcement on $c->{HOSTNAME}",
        "ms $c->{HOSTNAME} zimbraReverseProxyStrictServerNameEnabled " . ($strict ? 'TRUE' : 'FALSE'));
    prov($s, 'Setting proxy preferences', "ms $c->{HOSTNAME} zimbraReverseProxyMailMode $c->{PROXYMODE} zimbraReverseProxyAdminEnabled TRUE zimbraReverseProxyLookupTarget TRUE");
    return;
}

sub create_domain {
    my ($s) = @_;
    my $c = $s->{config};
    my $exists = sub { return (run(["$H/bin/zmprov", '-l', @_], user => 'zimbra'))[0] == 0 };
    my ($admin, $pass) = @$c{qw(CREATEADMIN CREATEADMINPASS)};
    my ($domain) = lc($admin) =~ /@(.+)/;
    if ($c->{DOCREATEDOMAIN} eq 'yes') {
        for my $d ($c->{CREATEDOMAIN}, $domain ne $c->{CREATEDOMAIN} ? $domain : ()) {
            $s->step("Creating domain $d", sub { return $exists->('gd', $d) ? \"already exists.\n" : zmprov($s, "cd $d") == 0 });
        }
        prov($s, 'Setting default domain name', "mcf zimbraDefaultDomainName $c->{zimbraDefaultDomainName}");
    }
    if ($c->{DOCREATEADMIN} eq 'yes') {
        $s->step("Creating admin account $admin", sub {
            return \"already exists.\n" if $exists->('ga', $admin);
            return zmprov($s, 'ca ' . word($admin) . ' ' . word($pass) . ' zimbraIsAdminAccount TRUE description "Administrative Account" displayName Admin') == 0;
        });
        for my $alias (qw(root postmaster)) {
            next if lc($admin) eq "$alias\@$domain";
            $s->step("Creating $alias alias", sub { return $exists->('ga', "$alias\@$domain") ? \"already exists.\n" : zmprov($s, "aaa $admin $alias\@$domain") == 0 });
        }
    }
    return;
}

sub init_mta {
    my ($s) = @_;
    my $c = $s->{config};
    $s->step('Initializing mta config', sub {
        zmprov($s, "ms $c->{HOSTNAME} zimbraMtaMyNetworks " . word($c->{zimbraMtaMyNetworks}) . ' zimbraMtaLmtpHostLookup native') == 0 or return 0;
        # The distribution's own main.cf only leads its sendmail and postdrop to our queue.
        my $main = "# Written by zmsetup.pl: postfix itself runs with /opt/zimbra/common/conf.\ncompatibility_level = 3.6\nalternate_config_directories = $H/common/conf\n"
          . "queue_directory = $H/data/postfix/spool\ndata_directory = $H/data/postfix/data\nmyhostname = $c->{HOSTNAME}\nmyorigin = $c->{zimbraDefaultDomainName}\nmydestination =\ninet_interfaces = loopback-only\n";
        write_file('/etc/postfix/main.cf', $main, mode => 0644);
        1;
    });
    return;
}

sub enable_services {
    my ($s) = @_;
    my $c    = $s->{config};
    my %name = ('zimbra-ldap' => ['ldap'], 'zimbra-mta' => ['mta'], 'zimbra-store' => [qw(mailbox service zimbra zimbraAdmin zimlet)], 'zimbra-proxy' => ['proxy'], 'zimbra-memcached' => ['memcached']);
    my @pkg  = grep { $name{$_} } sort keys %{ $s->{installed} };
    my $on   = join ' ', map { "zimbraServiceEnabled $_" } map { @{ $name{$_} } } @pkg;
    my $have = join ' ', map { 'zimbraServiceInstalled ' . $name{$_}[0] } @pkg;
    prov($s, "Setting services on $c->{HOSTNAME}", "ms $c->{HOSTNAME} $have", "ms $c->{HOSTNAME} $on");
    return;
}

sub syslog_setup {
    my ($s) = @_;
    return unless -d '/etc/rsyslog.d';
    $s->step('Setting up syslog.conf', sub {
        write_file('/etc/rsyslog.d/60-zimbra.conf', "local0.*                -/var/log/zimbra.log\nauth.*                  -/var/log/zimbra.log\nmail.*                  -/var/log/zimbra.log\n", mode => 0644);
        run(['/etc/init.d/rsyslog', 'restart']) if -x '/etc/init.d/rsyslog' && -e '/run/rsyslogd.pid';
        1;
    });
    return;
}

sub start_servers {
    my ($s) = @_;
    $s->progress('Starting servers...');
    $s->zimbra(["$H/bin/zmcontrol", 'stop']);
    $s->zimbra(["$H/bin/zmcontrol", 'start']);
    $s->zimbra(["$H/bin/zmcontrol", 'status']);
    $s->progress("done.\n");
    return;
}

1;
