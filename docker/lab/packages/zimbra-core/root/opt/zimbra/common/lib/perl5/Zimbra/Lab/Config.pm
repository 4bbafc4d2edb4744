package Zimbra::Lab::Config;

# Generated configuration: which service has which files, made from LDAP and
# localconfig. rewrite() replaces only what differs and names it.

use strict;
use warnings;
use Zimbra::Lab qw(lc_get slurp write_file);
use Zimbra::Lab::Ldap qw(ldap_connect merged find);

my %MAKER = (proxy => 'Proxy', mta => 'Mta', sasl => 'Sasl', mailbox => 'Mailbox');

# What else Zimbra's callers name; the lab has nothing to generate for it.
my %OTHER = map { $_ => 1 } qw(amavis antispam antivirus opendkim webxml service zimbra zimbraAdmin zimlet dnscache archiving ldap);

sub services { return sort keys %MAKER }
sub known    { return $MAKER{ $_[0] } || $OTHER{ $_[0] } }

sub context {
    my $ldap = ldap_connect();
    my $host = lc_get('zimbra_server_hostname');
    my $attr = merged($ldap, $host);
    my @domains = find($ldap, '', '(objectClass=zimbraDomain)');
    my $v = sub { my $l = $attr->{ $_[0] }; return $l && @$l ? $l->[0] : $_[1] // '' };
    return { host => $host, attr => $attr, v => $v, domains => \@domains, mode => $v->('zimbraIPMode', 'ipv4') };
}

# (path => [text, owner, mode]) of one service
sub files {
    my ($service, $ctx) = @_;
    my $module = "Zimbra::Lab::Config::$MAKER{$service}";
    (my $file = "$module.pm") =~ s{::}{/}g;
    return () unless eval { require $file; 1 } || $@ !~ /^Can't locate \Q$file\E/ && die $@;
    return $module->can('files')->($ctx);
}

sub rewrite {
    my (@services) = @_;
    my $ctx = context();
    my @changed;
    for my $s (grep { $MAKER{$_} } @services) {
        my %f = files($s, $ctx);
        for my $path (sort keys %f) {
            my ($text, $owner, $mode) = @{ $f{$path} };
            next if (slurp($path) // "\0") eq $text;
            write_file($path, $text, owner => $owner // 'zimbra:zimbra', mode => $mode // 0640);
            push @changed, [$s, $path];
        }
    }
    return @changed;
}

1;
