package Zimbra::Lab::Setup::Certs;

# The certificate authority of this installation, one server certificate signed
# by it, and the places where the servers look for them.

use strict;
use warnings;
use File::Temp ();
use Zimbra::Lab qw(lc_get slurp write_file run);

my $H   = '/opt/zimbra';
my $SSL = "$H/ssl/zimbra";
my $CA  = "$SSL/ca";
my $SRV = "$SSL/server";
my @OWN = (owner => 'zimbra:zimbra', mode => 0640);

sub openssl {
    my ($s, @args) = @_;
    my ($rc, $out) = run(['/usr/bin/openssl', @args]);
    $s->detail("openssl @args: $out") if $rc;
    return wantarray ? ($rc, $out) : $rc == 0;
}

sub pair {
    my ($s, $key, $crt) = @_;
    return 0 unless -s $key && -s $crt;
    my ($a, $pub)  = openssl($s, 'pkey', '-in', $key, '-pubout');
    my ($b, $pub2) = openssl($s, 'x509', '-in', $crt, '-noout', '-pubkey');
    return $a == 0 && $b == 0 && $pub eq $pub2;
}

# Made in a folder aside; the key gets its place first, so that a certificate
# without its key can only be one that pair() refuses.
sub place {
    my ($dir, $to, @names) = @_;
    write_file("$to/$_", slurp("$dir/$_"), @OWN) for @names;
    return 1;
}

sub ca {
    my ($s) = @_;
    my $c = $s->{config};
    $s->must('Setting up CA', sub {
        return 1 if pair($s, "$CA/ca.key", "$CA/ca.pem");
        my $d = File::Temp->newdir;
        openssl($s, 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-days', 3650, '-subj', "/O=CA/OU=Zimbra Collaboration Server/CN=$c->{HOSTNAME}",
            '-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', "$d/ca.key", '-out', "$d/ca.pem") or return 0;
        return place("$d", $CA, 'ca.key', 'ca.pem');
    });
    $s->must('Deploying CA to /opt/zimbra/conf/ca', sub {
        my $to = "$H/conf/ca";
        place($CA, $to, 'ca.key', 'ca.pem');
        chmod 0644, "$to/ca.pem";
        my ($rc, $hash) = openssl($s, 'x509', '-in', "$to/ca.pem", '-noout', '-hash');
        chomp $hash;
        return 0 if $rc || $hash !~ /^[0-9a-f]{8}$/;
        for my $link (glob "$to/*.[0-9]") { unlink $link if $link ne "$to/$hash.0" }
        symlink 'ca.pem', "$to/$hash.0" unless -l "$to/$hash.0";
        1;
    });
    return;
}

sub server {
    my ($s) = @_;
    my $c = $s->{config};
    my $good = pair($s, "$SRV/server.key", "$SRV/server.crt") && openssl($s, 'verify', '-CAfile', "$CA/ca.pem", "$SRV/server.crt")
      && (openssl($s, 'x509', '-in', "$SRV/server.crt", '-noout', '-checkhost', $c->{HOSTNAME}))[1] =~ /does match/;
    $s->must('Creating SSL certificate', sub {
        return 1 if $good;
        my $d = File::Temp->newdir;
        write_file("$d/ext", "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:$c->{HOSTNAME}\n");
        openssl($s, 'req', '-new', '-newkey', 'rsa:2048', '-nodes', '-sha256', '-subj', "/OU=Zimbra Collaboration Server/CN=$c->{HOSTNAME}", '-keyout', "$d/server.key", '-out', "$d/server.csr") or return 0;
        openssl($s, 'x509', '-req', '-in', "$d/server.csr", '-CA', "$CA/ca.pem", '-CAkey', "$CA/ca.key", '-CAserial', "$d/serial", '-CAcreateserial', '-sha256', '-days', 1825,
            '-extfile', "$d/ext", '-out', "$d/server.crt") or return 0;
        return place("$d", $SRV, 'server.key', 'server.csr', 'server.crt');
    });
    return;
}

my %FILES = (Store => ['imapd'], MTA => ['smtpd'], LDAP => ['slapd'], Proxy => ['nginx']);

# What is deployed already and still a pair stays: it may be a certificate of the administrator's.
sub install {
    my ($s, $stage, $what) = @_;
    $s->must("Installing $what SSL certificates", sub {
        for my $n (@{ $FILES{$stage} }) {
            next if pair($s, "$H/conf/$n.key", "$H/conf/$n.crt") && -l "$H/conf/ca/" . hash_of($s, "$H/conf/$n.crt") . '.0';
            write_file("$H/conf/$n.key", slurp("$SRV/server.key"), @OWN);
            write_file("$H/conf/$n.crt", slurp("$SRV/server.crt"), @OWN);
        }
        return $stage eq 'Store' ? keystore($s) : 1;
    });
    return;
}

sub hash_of {
    my ($s, $crt) = @_;
    my (undef, $h) = openssl($s, 'x509', '-in', $crt, '-noout', '-issuer_hash');
    chomp $h;
    return $h;
}

# mailboxd's: PKCS#12, as zmcertmgr makes it (ssl/zimbra/jetty.pkcs12)
sub keystore {
    my ($s) = @_;
    my $store = lc_get('mailboxd_keystore');
    local $ENV{STORE_PASSWORD} = lc_get('mailboxd_keystore_password');
    return 1 if -s $store && openssl($s, 'pkcs12', '-in', $store, '-noout', '-passin', 'env:STORE_PASSWORD');
    my $d = File::Temp->newdir;
    openssl($s, 'pkcs12', '-export', '-inkey', "$SRV/server.key", '-in', "$SRV/server.crt", '-name', 'jetty', '-passout', 'env:STORE_PASSWORD', '-out', "$d/p12") or return 0;
    write_file("$SSL/jetty.pkcs12", slurp("$d/p12"), @OWN);
    write_file($store, slurp("$d/p12"), @OWN);
    return 1;
}

sub save_ca {
    my ($s) = @_;
    $s->step('Saving CA in ldap', sub {
        my $ldap = Zimbra::Lab::Ldap::ldap_connect();
        Zimbra::Lab::Ldap::replace_attrs($ldap, 'cn=config,cn=zimbra', zimbraCertAuthorityCertSelfSigned => [slurp("$CA/ca.pem")], zimbraCertAuthorityKeySelfSigned => [slurp("$CA/ca.key")]);
        1;
    });
    return;
}

sub save_cert {
    my ($s) = @_;
    $s->step('Saving SSL Certificate in ldap', sub {
        my $ldap = Zimbra::Lab::Ldap::ldap_connect();
        Zimbra::Lab::Ldap::replace_attrs($ldap, Zimbra::Lab::Ldap::server_dn($s->{config}{HOSTNAME}), zimbraSSLCertificate => [slurp("$SRV/server.crt")], zimbraSSLPrivateKey => [slurp("$SRV/server.key")]);
        1;
    });
    return;
}

1;
