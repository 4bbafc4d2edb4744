package Zimbra::Lab::Setup;

# What zmsetup.pl stands on: answers, log, and the history file that makes it
# possible to go on after a crash.

use strict;
use warnings;
use Fcntl qw(O_WRONLY O_CREAT O_EXCL);
use IO::Handle;
use POSIX ();
use Zimbra::Lab qw(slurp write_file run);

my $HISTORY = '/opt/zimbra/.install_history';
my @PACKAGES = qw(zimbra-core zimbra-ldap zimbra-mta zimbra-store zimbra-memcached zimbra-proxy);

sub new {
    my ($class, %o) = @_;
    my $self = bless { config => {}, status => {}, installed => {}, %o }, $class;
    my $stamp = POSIX::strftime('%m%d%Y-%H%M%S', localtime);
    $self->{logfile} = "/tmp/zmsetup.$stamp.log";
    unlink $self->{logfile};
    sysopen my $fh, $self->{logfile}, O_WRONLY | O_CREAT | O_EXCL, 0600 or die "Can't open $self->{logfile}: $!\n";
    $fh->autoflush(1);
    $self->{log} = $fh;
    unlink '/tmp/zmsetup.log';
    symlink $self->{logfile}, '/tmp/zmsetup.log';
    return $self;
}

sub progress { my ($self, $text) = @_; print $text; $self->detail($text); return }

sub detail {
    my ($self, $text) = @_;
    $text =~ s/\n+\z//;
    print { $self->{log} } scalar(localtime), " $text\n";
    return;
}

# One step of which only the outcome is shown.
sub step {
    my ($self, $text, $ok) = @_;
    $self->progress("$text...");
    my $r = eval { $ok->() };
    my $why = $@;
    $self->detail("error: $why") if $why;
    $self->progress(ref $r ? $$r : $r && !$why ? "done.\n" : "failed.\n");
    return $r && !$why;
}

sub must { my ($self, $text, $ok) = @_; $self->step($text, $ok) or $self->fail; return }

sub fail {
    my ($self) = @_;
    $self->progress("\n\nERROR\n\n\n\nConfiguration failed\n\nPlease address the error and re-run /opt/zimbra/libexec/zmsetup.pl to\n"
          . "complete the configuration.\n\nErrors have been logged to $self->{logfile}\n\n");
    exit 1;
}

# Runs a command as zimbra; its words go to the log, without those that are secret.
sub zimbra {
    my ($self, $argv, %o) = @_;
    $self->detail('*** Running as zimbra user: ' . ($o{say} // "@$argv"));
    my ($rc, $out) = run($argv, user => 'zimbra', stdin => $o{stdin}, daemon => 1);
    $self->detail($out) if length $out;
    return wantarray ? ($rc, $out) : $rc;
}

# --- history

sub history {
    my ($self, $text) = @_;
    open my $fh, '>>', $HISTORY or die "$HISTORY: $!\n";
    print {$fh} time, ": $text\n";
    $fh->flush && $fh->sync or die "$HISTORY: $!\n";
    close $fh;
    return;
}

sub done     { my ($self, $stage) = @_; $self->history("CONFIGURED $stage"); $self->{status}{$stage} = 1; return }
sub was_done { my ($self, $stage) = @_; return $self->{status}{$stage} }

# A stage that the last, unfinished session finished is only noted again.
sub stage {
    my ($self, $name, $code) = @_;
    $code->() unless $self->was_done($name);
    $self->done($name);
    return;
}

# A new installation forgets the stages; so does a session that had come to its end.
sub read_history {
    my ($self) = @_;
    my (%installed, %stage, @last);
    for (split /\n/, slurp($HISTORY) // '') {
        my ($what) = /^\d+: (.*)/ or next;
        if ($what =~ /^INSTALL SESSION START/) { %stage = () }
        elsif ($what =~ /^CONFIG SESSION START/) { @last = %stage; %stage = () }
        elsif ($what =~ /^(?:INSTALLED|UPGRADED) (zimbra-[a-z-]+?)[-_]\d/) { $installed{$1} = 1 }
        elsif ($what =~ /^CONFIGURED (\S+)/) { $stage{$1} = 1 }
    }
    # killed before the first stages of a session could be noted again
    %stage = (@last, %stage) if keys %stage <= 1 && !$stage{END};
    $self->{ended}     = delete $stage{END};
    $self->{status}    = $self->{ended} ? {} : \%stage;
    $self->{installed} = { map { $_ => 1 } grep { $installed{$_} } @PACKAGES };
    return;
}

# --- answers

sub set_defaults {
    my ($self) = @_;
    $self->progress('Setting defaults...');
    my (undef, $fqdn) = run(['hostname', '--fqdn']);
    $fqdn //= '';
    chomp $fqdn;
    my $old = Zimbra::Lab::lc_all();
    $self->{config} = {
        HOSTNAME => $old->{zimbra_server_hostname} || ($fqdn =~ /\./ ? $fqdn : ''),
        LDAPPORT => 389, STARTSERVERS => 'yes', DOCREATEDOMAIN => 'yes', DOCREATEADMIN => 'yes',
        HTTPPORT => 8080, HTTPSPORT => 8443, HTTPPROXYPORT => 80, HTTPSPROXYPORT => 443, IMAPPORT => 7143, IMAPSSLPORT => 7993,
        IMAPPROXYPORT => 143, IMAPSSLPROXYPORT => 993, POPPORT => 7110, POPSSLPORT => 7995, POPPROXYPORT => 110, POPSSLPROXYPORT => 995,
        MODE => 'https', PROXYMODE => 'redirect', STRICTSERVERNAMEENABLED => 'no', SMTPNOTIFY => 'yes', zimbraIPMode => 'ipv4', zimbraPrefTimeZoneId => 'UTC',
        LDAPROOTPASS => $old->{ldap_root_password}, LDAPADMINPASS => $old->{zimbra_ldap_password}, LDAPPOSTPASS => $old->{ldap_postfix_password},
        ldap_nginx_password => $old->{ldap_nginx_password}, mailboxd_keystore_password => $old->{mailboxd_keystore_password} ne 'zimbra' ? $old->{mailboxd_keystore_password} : '',
    };
    $self->progress("done.\n");
    return;
}

# Line by line, KEY=value; every quotation mark is dropped.
sub load_config {
    my ($self, $file) = @_;
    open my $fh, '<', $file or die "Can't open $file: $!\n";
    while (<$fh>) {
        chomp;
        s/\r//;
        my ($k, $v) = split /=/, $_, 2;
        next unless defined $v;
        $v =~ s/"//g;
        $self->{config}{$k} = $v;
    }
    close $fh;
    return;
}

sub ask {
    my ($self, $prompt, $default, $secret) = @_;
    print "$prompt [", ($secret ? '' : $default), '] ';
    system 'stty', '-echo' if $secret && -t STDIN;
    my $v = <STDIN>;
    if ($secret && -t STDIN) { system 'stty', 'echo'; print "\n" }
    if (!defined $v) { print "\n"; exit 1 }
    chomp $v;
    return length $v ? $v : $default;
}

sub ask_config {
    my ($self) = @_;
    my $c = $self->{config};
    my ($domain) = $c->{HOSTNAME} =~ /\.(.+)/;
    $c->{HOSTNAME}     = $self->ask('Please enter the logical hostname for this host', $c->{HOSTNAME});
    $c->{CREATEDOMAIN} = $self->ask('Create domain:', $domain // $c->{HOSTNAME});
    $c->{CREATEADMIN}  = $self->ask('Create admin user:', "admin\@$c->{CREATEDOMAIN}");
    do { $c->{CREATEADMINPASS} = $self->ask('Password for the admin user (min 6 characters):', '', 1) } while length $c->{CREATEADMINPASS} < 6;
    exit 1 if $self->ask('The system will be modified - continue?', 'No') !~ /^y/i;
    return;
}

sub refuse { my ($self, $text) = @_; $self->progress("\nERROR: $text\n"); exit 1 }

sub complete_config {
    my ($self) = @_;
    my $c = $self->{config};
    $c->{HOSTNAME} = lc $c->{HOSTNAME};
    $self->refuse("HOSTNAME=$c->{HOSTNAME}: a fully qualified host name is needed") unless $c->{HOSTNAME} =~ /^[a-z0-9][a-z0-9-]*(\.[a-z0-9-]+)+$/;
    $c->{LDAPHOST} ||= $c->{HOSTNAME};
    $self->refuse("LDAPHOST=$c->{LDAPHOST}: the lab release has its directory on the host itself") if lc $c->{LDAPHOST} ne $c->{HOSTNAME};
    $c->{CREATEDOMAIN} ||= ($c->{CREATEADMIN} // '') =~ /@(.+)/ ? $1 : $c->{HOSTNAME};
    $c->{CREATEDOMAIN} = lc $c->{CREATEDOMAIN};
    $c->{CREATEADMIN} ||= "admin\@$c->{CREATEDOMAIN}";
    $self->refuse("CREATEADMIN=$c->{CREATEADMIN}: expected name\@domain") unless $c->{CREATEADMIN} =~ /^[^@\s]+@[^@\s]+$/;
    $self->refuse('CREATEADMINPASS: at least 6 characters are needed') if $c->{DOCREATEADMIN} eq 'yes' && length($c->{CREATEADMINPASS} // '') < 6;
    $c->{zimbraDefaultDomainName} ||= $c->{CREATEDOMAIN};
    $c->{AVDOMAIN} ||= $c->{CREATEDOMAIN};
    $c->{AVUSER} ||= $c->{CREATEADMIN};
    $c->{SMTPDEST} ||= $c->{CREATEADMIN};
    $c->{SMTPSOURCE} ||= $c->{CREATEADMIN};
    $c->{SMTPHOST} ||= $c->{HOSTNAME};
    for (qw(LDAPROOTPASS LDAPADMINPASS LDAPPOSTPASS ldap_nginx_password mailboxd_keystore_password)) { $c->{$_} ||= Zimbra::Lab::random_password() }
    if (!$c->{zimbraMtaMyNetworks}) {
        my (undef, $ips) = run(['hostname', '-i']);
        $c->{zimbraMtaMyNetworks} = join ' ', '127.0.0.0/8', '[::1]/128', map { /:/ ? "[$_]/128" : "$_/32" } grep { /^[0-9a-f.:]+$/ && !/^127\./ } split ' ', $ips // '';
    }
    return;
}

# As in Zimbra: without what has PASS in its name, but with the *_password ones.
sub save_config {
    my ($self) = @_;
    my $file = "/opt/zimbra/config.$$";
    $self->progress("Saving config in $file...");
    my $c = $self->{config};
    unlink glob '/opt/zimbra/config.*';
    my $text = join '', map { "$_=" . ($c->{$_} // '') . "\n" } grep { !/PASS/ && /^\w+$/ && $_ ne 'INSTALL_PACKAGES' } sort keys %$c;
    write_file($file, $text . 'INSTALL_PACKAGES="' . join(' ', sort keys %{ $self->{installed} }) . "\"\n", mode => 0600);
    $self->progress("done.\n");
    return;
}

sub check_ports {
    my ($self) = @_;
    $self->progress("Checking for port conflicts\n");
    my %need = (25 => 'mta', 80 => 'proxy', 110 => 'proxy', 143 => 'proxy', 389 => 'ldap', 443 => 'proxy', 465 => 'mta', 587 => 'mta', 993 => 'proxy',
        995 => 'proxy', 7025 => 'store', 7071 => 'store', 7072 => 'store', 8080 => 'store', 8443 => 'store');
    my %open;
    for my $f ('/proc/net/tcp', '/proc/net/tcp6') {
        for (split /\n/, slurp($f) // '') { $open{ hex $1 } = 1 if /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A / }
    }
    # with our own servers still up from a run that was cut short this is no conflict
    return if $self->was_done('configSetupLdap') || $self->{ended};
    for (sort { $a <=> $b } keys %need) { $self->progress("Port conflict detected: $_ (zimbra-$need{$_})\n") if $open{$_} && $self->{installed}{"zimbra-$need{$_}"} }
    return;
}

sub keep_log {
    my ($self) = @_;
    my ($name) = $self->{logfile} =~ m{([^/]+)$};
    $self->progress("Moving $self->{logfile} to /opt/zimbra/log\n");
    write_file("/opt/zimbra/log/$name", slurp($self->{logfile}) // '', owner => 'zimbra:zimbra', mode => 0600);
    return;
}

1;
