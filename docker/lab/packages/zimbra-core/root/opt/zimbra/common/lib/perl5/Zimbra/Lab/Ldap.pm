package Zimbra::Lab::Ldap;

# The directory as the lab's programs see it: one connection, entries as
# hashes of lists, and the names of Zimbra's tree.

use strict;
use warnings;
use Digest::SHA qw(sha1);
use Exporter 'import';
use MIME::Base64 qw(encode_base64);
use Net::LDAP;
use Net::LDAP::Filter;
use Net::LDAP::Util qw(escape_dn_value escape_filter_value);
use Zimbra::Lab qw(lc_get random_password);

our @EXPORT_OK = qw(ldap_connect ldap_connect_root entry find ensure_entry replace_attrs
  server_dn domain_dn account_dn account_filter merged ssha check_login new_id);

our $LDAPI = 'ldapi://%2Fopt%2Fzimbra%2Fdata%2Fldap%2Fstate%2Frun%2Fldapi';
our $CONFIG_DN = 'cn=config,cn=zimbra';
our $COS_DN    = 'cn=default,cn=cos,cn=zimbra';

sub server_dn { return 'cn=' . escape_dn_value($_[0]) . ',cn=servers,cn=zimbra' }
sub domain_dn { return join ',', map { 'dc=' . escape_dn_value($_) } split /\./, lc $_[0] }

sub account_dn {
    my ($local, $domain) = split /@/, lc $_[0], 2;
    return 'uid=' . escape_dn_value($local) . ',ou=people,' . domain_dn($domain);
}

sub account_filter {
    my $v = escape_filter_value(lc $_[0]);
    return "(&(objectClass=zimbraAccount)(|(zimbraMailDeliveryAddress=$v)(zimbraMailAlias=$v)))";
}

# As zmcontrol does it: StartTLS with the certificate checked against conf/ca
# where localconfig asks for it. Dies with the reason.
sub ldap_connect {
    my (%o) = @_;
    my $urls = lc_get($o{master} ? 'ldap_master_url' : 'ldap_url') || 'ldap://localhost:389';
    my $ldap = Net::LDAP->new([split ' ', $urls], timeout => $o{timeout} // 30) or die "Connect: $@\n";
    if (lc_get('ldap_starttls_supported')) {
        my $verify = lc_get('zimbra_require_interprocess_security') ? 'require' : 'none';
        my $m = $ldap->start_tls(verify => $verify, capath => '/opt/zimbra/conf/ca');
        die 'TLS: ' . $m->error . "\n" if $m->code;
    }
    return $ldap if $o{nobind};
    my $m = $ldap->bind($o{dn} // lc_get('zimbra_ldap_userdn'), password => $o{password} // lc_get('zimbra_ldap_password'));
    die 'Bind: ' . $m->error . "\n" if $m->code;
    return $ldap;
}

sub ldap_connect_root {
    my $ldap = Net::LDAP->new($LDAPI, timeout => 30) or die "Connect: $@\n";
    my $m = $ldap->bind('cn=config', password => lc_get('ldap_root_password'));
    die 'Bind: ' . $m->error . "\n" if $m->code;
    return $ldap;
}

sub flat {
    my ($e) = @_;
    return { dn => $e->dn, map { $_ => [$e->get_value($_)] } $e->attributes };
}

sub entry {
    my ($ldap, $dn) = @_;
    my $m = $ldap->search(base => $dn, scope => 'base', filter => '(objectClass=*)');
    return if $m->code == 32 || ($m->code == 0 && !$m->count);
    die $m->error . "\n" if $m->code;
    return flat($m->entry(0));
}

sub find {
    my ($ldap, $base, $filter, %o) = @_;
    my $m = $ldap->search(base => $base, scope => $o{scope} // 'sub', filter => $filter);
    return if $m->code == 32;
    die $m->error . "\n" if $m->code;
    return map { flat($_) } $m->entries;
}

# 1 when it was made, 0 when it was there.
sub ensure_entry {
    my ($ldap, $dn, %attrs) = @_;
    my $m = $ldap->add($dn, attrs => [%attrs]);
    return 0 if $m->code == 68;
    die "$dn: " . $m->error . "\n" if $m->code;
    return 1;
}

# An empty list removes the attribute.
sub replace_attrs {
    my ($ldap, $dn, %attrs) = @_;
    my $m = $ldap->modify($dn, replace => [%attrs]);
    die "$dn: " . $m->error . "\n" if $m->code;
    return;
}

# The server's own values over the global ones, and those over the table's defaults.
sub merged {
    my ($ldap, $host) = @_;
    require Zimbra::Lab::Attrs;
    my %m = (%{ Zimbra::Lab::Attrs::defaults('g') }, %{ Zimbra::Lab::Attrs::defaults('s') });
    for my $dn ($CONFIG_DN, server_dn($host)) {
        my $e = entry($ldap, $dn) or next;
        $m{$_} = $e->{$_} for grep { /^zimbra/ } keys %$e;
    }
    return \%m;
}

sub ssha {
    my ($password) = @_;
    my $salt = substr random_password(), 0, 8;
    return '{SSHA}' . encode_base64(sha1($password . $salt) . $salt, '');
}

sub new_id {
    my $h = join '', map { sprintf '%02x', int rand 256 } 1 .. 16;
    $h =~ s/^(.{8})(.{4})(.{4})(.{4})/$1-$2-$3-$4-/;
    return $h;
}

# ('ok', address) · ('invalid password', address) · ('account not found') · ('account inactive', address)
# Dies when the directory cannot be asked.
sub check_login {
    my ($name, $password) = @_;
    my $ldap = ldap_connect(timeout => 5);
    if ($name !~ /@/) {
        my $g = entry($ldap, $CONFIG_DN) || {};
        $name .= '@' . ($g->{zimbraDefaultDomainName}[0] // '');
    }
    my ($acct) = find($ldap, '', account_filter($name));
    return 'account not found' unless $acct;
    my $addr = $acct->{zimbraMailDeliveryAddress}[0];
    return ('account inactive', $addr) if ($acct->{zimbraAccountStatus}[0] // '') ne 'active';
    return ('invalid password', $addr) if !defined $password || $password eq '';
    my $m = $ldap->bind($acct->{dn}, password => $password);
    return ($m->code ? 'invalid password' : 'ok', $addr, $acct);
}

1;
