package Zimbra::Lab;

# What every program of the lab release shares: localconfig.xml, atomic files,
# running commands without a shell, and the syslog line of zmcontrol.

use strict;
use warnings;
use Exporter 'import';
use Fcntl qw(:flock O_WRONLY O_CREAT O_EXCL);
use File::Basename qw(dirname);
use IO::Handle;
use POSIX ();

our @EXPORT_OK = qw(lc_get lc_all lc_known lc_write xml_escape slurp write_file
  random_password run become_zimbra log_line is_user release_version);

our $HOME     = '/opt/zimbra';
our $LC_FILE  = "$HOME/conf/localconfig.xml";

# Values that hold where localconfig.xml says nothing. Like Zimbra's, the file
# keeps only what differs from these.
our %DEFAULT = (
    zimbra_home                          => $HOME,
    zimbra_user                          => 'zimbra',
    zimbra_log_directory                 => "$HOME/log",
    zimbra_tmp_directory                 => "$HOME/data/tmp",
    zimbra_java_home                     => "$HOME/common/lib/jvm/java",
    zimbra_server_hostname               => '',
    zimbra_ldap_userdn                   => 'uid=zimbra,cn=admins,cn=zimbra',
    zimbra_ldap_password                 => '',
    zimbra_require_interprocess_security => '1',
    zimbra_zmprov_default_to_ldap        => 'false',
    zimbra_disk_threshold                => '100',
    zimbra_same_site_cookie              => '',
    zimbra_additional_logging            => 'false',
    zmcontrol_service_status_list        => '',
    zmconfigd_listen_port                => '7171',
    zmconfigd_startup_pause              => '60',
    zmconfigd_interval                   => '60',
    ldap_host                            => '',
    ldap_port                            => '389',
    ldap_url                             => '',
    ldap_master_url                      => '',
    ldap_bind_url                        => '',
    ldap_is_master                       => 'false',
    ldap_root_password                   => '',
    ldap_postfix_password                => '',
    ldap_nginx_password                  => '',
    ldap_amavis_password                 => '',
    ldap_replication_password            => '',
    ldap_starttls_supported              => '0',
    ldap_common_require_tls              => '0',
    mailboxd_directory                   => "$HOME/mailboxd",
    mailboxd_server                      => 'jetty',
    mailboxd_keystore                    => "$HOME/mailboxd/etc/keystore",
    mailboxd_keystore_password           => 'zimbra',
    mailboxd_truststore                  => "$HOME/common/etc/java/cacerts",
    mailboxd_truststore_password         => 'changeit',
    imapd_keystore                       => "$HOME/conf/imapd.keystore",
    imapd_keystore_password              => 'zimbra',
    postfix_mail_owner                   => 'postfix',
    postfix_setgid_group                 => 'postdrop',
    smtp_destination                     => '',
    smtp_source                          => '',
    smtp_notify                          => 'yes',
    ssl_default_digest                   => 'sha256',
    alias_login_enabled                  => 'true',
);

sub lc_known { return exists $DEFAULT{ $_[0] } }

sub slurp {
    my ($path) = @_;
    open my $fh, '<', $path or return;
    local $/ = undef;
    my $text = <$fh>;
    close $fh;
    return $text // '';
}

sub xml_escape {
    my ($s) = @_;
    my %e = ('&' => '&amp;', '<' => '&lt;', '>' => '&gt;', '"' => '&quot;', q(') => '&apos;');
    $s =~ s/([&<>"'])/$e{$1}/g;
    return $s;
}

sub xml_unescape {
    my ($s) = @_;
    my %e = (amp => '&', lt => '<', gt => '>', quot => '"', apos => q('));
    $s =~ s/&(amp|lt|gt|quot|apos);/$e{$1}/g;
    return $s;
}

# Only the keys that the file holds.
sub lc_file {
    my $text = slurp($LC_FILE) // return {};
    my %kv;
    while ($text =~ m{<key\s+name="([^"]*)"\s*>\s*<value>(.*?)</value>\s*</key>}gs) {
        my ($k, $v) = ($1, $2);
        $kv{ xml_unescape($k) } = xml_unescape($v);
    }
    return \%kv;
}

sub lc_all {
    my $own = lc_file();
    return { %DEFAULT, %$own };
}

my $cache;
sub lc_get {
    my ($key) = @_;
    $cache //= lc_all();
    return $cache->{$key};
}

# Replaces a file by rename; it is whole at every instant. Owner and mode are
# set before it gets its name; zimbra can give a file to its own groups only.
sub write_file {
    my ($path, $text, %o) = @_;
    my $tmp = "$path.new.$$";
    for my $old (glob quotemeta("$path.new.") . '*') {
        # a killed writer's, or (a number used again) our own
        unlink $old if $old =~ /\.(\d+)$/ && ($1 == $$ || !-d "/proc/$1");
    }
    sysopen my $fh, $tmp, O_WRONLY | O_CREAT | O_EXCL, 0600 or die "$tmp: $!\n";
    print {$fh} $text or die "$tmp: $!\n";
    $fh->flush or die "$tmp: $!\n";
    if (defined $o{owner}) {
        my ($u, $g) = split /:/, $o{owner};
        my $uid = getpwnam($u) // die "no user $u\n";
        my $gid = getgrnam($g) // die "no group $g\n";
        chown $> == 0 ? $uid : -1, $gid, $tmp or die "chown $tmp: $!\n";
    }
    chmod $o{mode} // 0644, $tmp or die "chmod $tmp: $!\n";
    $fh->sync or die "fsync $tmp: $!\n";
    close $fh or die "$tmp: $!\n";
    rename $tmp, $path or die "rename $tmp: $!\n";
    return;
}

# undef as a value removes a key. Writers are serialised by a lock beside the file.
sub lc_write {
    my (%set) = @_;
    my $lock = dirname($LC_FILE) . '/.localconfig.lock';
    open my $lk, '>>', $lock or die "$lock: $!\n";
    if ($> == 0) { chown scalar getpwnam('zimbra'), scalar getgrnam('zimbra'), $lock }
    flock $lk, LOCK_EX or die "$lock: $!\n";
    my $own = lc_file();
    for my $k (keys %set) {
        if (defined $set{$k}) { $own->{$k} = $set{$k} }
        else                  { delete $own->{$k} }
    }
    my $xml = qq(<?xml version="1.0" encoding="UTF-8"?>\n\n<localconfig>\n);
    $xml .= sprintf qq(  <key name="%s">\n    <value>%s</value>\n  </key>\n),
      xml_escape($_), xml_escape($own->{$_})
      for sort keys %$own;
    $xml .= "</localconfig>\n";
    write_file($LC_FILE, $xml, owner => 'zimbra:zimbra', mode => 0640);
    close $lk;
    $cache = undef;
    return;
}

sub random_password {
    open my $fh, '<', '/dev/urandom' or die "/dev/urandom: $!\n";
    my @set = ('a' .. 'z', 'A' .. 'Z', '0' .. '9');
    my $out = '';
    while (length $out < 16) {
        read $fh, my $byte, 1 or die "/dev/urandom: $!\n";
        my $n = ord $byte;
        $out .= $set[ $n % @set ] if $n < 256 - 256 % @set;
    }
    close $fh;
    return $out;
}

sub is_user { return (getpwuid($>))[0] eq $_[0] }

# All of zimbra's groups, its uid for good, and the environment of its login.
sub become_zimbra {
    my @pw = getpwnam('zimbra') or die "no user zimbra\n";
    my ($uid, $gid) = @pw[2, 3];
    my @groups = ($gid);
    setgrent();
    while (my @g = getgrent()) {
        push @groups, $g[2] if grep { $_ eq 'zimbra' } split ' ', $g[3];
    }
    endgrent();
    $) = "$gid @groups";
    POSIX::setgid($gid) // die "setgid: $!\n";
    POSIX::setuid($uid) // die "setuid: $!\n";
    die "still root\n" if $> != $uid || $< != $uid;
    %ENV = (
        HOME => $HOME, USER => 'zimbra', LOGNAME => 'zimbra', SHELL => '/bin/bash', LANG => 'C', LC_ALL => 'C',
        PATH => "$HOME/bin:$HOME/common/bin:$HOME/common/sbin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    );
    umask 0027;
    chdir $HOME or chdir '/';
    return;
}

# run(\@argv, user => 'zimbra', stdin => TEXT, daemon => 1) -> (rc, output of both streams)
# With `daemon` the output goes through a file: what the command leaves running
# keeps it open, and the end of a pipe would never come.
sub run {
    my ($argv, %o) = @_;
    my ($r, $w);
    if ($o{daemon}) { open $w, '+>', undef or die "temporary file: $!\n"; $r = $w }
    else            { pipe $r, $w or die "pipe: $!\n" }
    pipe my $ir, my $iw or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        become_zimbra() if $o{user} && $o{user} eq 'zimbra' && $> == 0;
        close $iw;
        open STDIN,  '<&', $ir or POSIX::_exit(126);
        open STDOUT, '>&', $w  or POSIX::_exit(126);
        open STDERR, '>&', $w  or POSIX::_exit(126);
        { no warnings 'exec'; exec { $argv->[0] } @$argv; }
        print STDERR "$argv->[0]: $!\n";
        POSIX::_exit(127);
    }
    close $ir;
    local $SIG{PIPE} = 'IGNORE';
    print {$iw} $o{stdin} if defined $o{stdin};
    close $iw;
    local $/ = undef;
    my ($out, $status);
    if ($o{daemon}) {
        waitpid $pid, 0;
        $status = $?;
        seek $r, 0, 0;
        $out = <$r> // '';
    }
    else {
        close $w;
        $out = <$r> // '';
        waitpid $pid, 0;
        $status = $?;
    }
    close $r;
    my $rc = $status & 127 ? 128 + ($status & 127) : $status >> 8;
    return wantarray ? ($rc, $out) : $rc;
}

# local0.info, as Zimbra::Mon::Logger does; without a /dev/log it is dropped.
sub log_line {
    my ($text) = @_;
    return unless -S '/dev/log';
    eval {
        require Sys::Syslog;
        Sys::Syslog::setlogsock('unix');
        Sys::Syslog::openlog('zimbramon', 'pid,nofatal', 'local0');
        Sys::Syslog::syslog('info', '%s', "$$:info: $text");
        Sys::Syslog::closelog();
        1;
    } or return;
    return;
}

sub release_version {
    my $v = slurp("$HOME/.version") // 'unknown';
    chomp $v;
    return $v;
}

1;
