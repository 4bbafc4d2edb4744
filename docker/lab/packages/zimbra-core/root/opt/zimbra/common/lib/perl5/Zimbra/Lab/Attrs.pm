package Zimbra::Lab::Attrs;

# The attribute table: what zmprov accepts, and the LDAP schema made from it.

use strict;
use warnings;
use Exporter 'import';

our @EXPORT_OK = qw(attrs attr check_value defaults schema_ldif);

our $FILE = '/opt/zimbra/conf/attrs/lab-attrs.tsv';

# OpenLDAP's experimental arc: these identifiers mean nothing outside the lab.
my $OID = '1.3.6.1.4.1.4203.666.1111';

my %SCOPE_CLASS = (
    g => 'zimbraGlobalConfig',
    s => 'zimbraServer',
    d => 'zimbraDomain',
    c => 'zimbraCOS',
    a => 'zimbraAccount',
);
my @ORDER = qw(g s d c a);

my (@list, %by);

sub attrs {
    return \@list if @list;
    open my $fh, '<', $FILE or die "$FILE: $!\n";
    while (<$fh>) {
        chomp;
        next if /^\s*(#|$)/;
        my ($name, $scopes, $type, $card, $default) = split /\t/;
        my $a = { name => $name, type => $type, multi => $card eq 'multi', n => scalar @list + 1,
            scopes => { map { $_ => 1 } split /,/, $scopes },
            default => defined $default && length $default ? [split /\|/, $default] : [] };
        push @list, $a;
        $by{ lc $name } = $a;
    }
    close $fh;
    return \@list;
}

sub attr {
    attrs();
    return $by{ lc $_[0] };
}

# undef when the value may stand, else Zimbra's error code and text.
sub check_value {
    my ($a, $v) = @_;
    my $t = $a->{type};
    my $bad = sub { "account.INVALID_ATTR_VALUE ($a->{name} $_[0])" };
    if ($t eq 'boolean')   { return $v =~ /^(TRUE|FALSE)$/ ? undef : $bad->('must be TRUE or FALSE') }
    if ($t eq 'integer')   { return $v =~ /^-?\d{1,10}$/ ? undef : $bad->("must be a valid integer: $v") }
    if ($t eq 'port')      { return $v =~ /^\d{1,5}$/ && $v < 65536 ? undef : $bad->("must be a valid port: $v") }
    if ($t eq 'duration')  { return $v =~ /^\d+([hmsd]|ms)?$/ ? undef : $bad->('must be in the format: digits[hmsd|ms]') }
    if ($t =~ /^enum:(.*)/) {
        my @ok = split /,/, $1;
        return (grep { $_ eq $v } @ok) ? undef : $bad->('must be one of: ' . join(',', @ok));
    }
    return;
}

sub defaults {
    my ($scope) = @_;
    my %d;
    for my $a (@{ attrs() }) {
        my ($first) = grep { $a->{scopes}{$_} } @ORDER;
        $d{ $a->{name} } = $a->{default} if $first eq $scope && @{ $a->{default} };
    }
    return \%d;
}

sub schema_ldif {
    my $out = "dn: cn=zimbra,cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: zimbra\n";
    for my $a (@{ attrs() }) {
        my $syntax = $a->{type} eq 'binary'
          ? 'SYNTAX 1.3.6.1.4.1.1466.115.121.1.40'
          : 'EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15';
        my $single = $a->{multi} ? '' : ' SINGLE-VALUE';
        $out .= "olcAttributeTypes: ( $OID.1.$a->{n} NAME '$a->{name}' $syntax$single )\n";
    }
    my $i = 0;
    for my $s (@ORDER) {
        my @may = map { $_->{name} } grep { $_->{scopes}{$s} } @{ attrs() };
        # zimbraId is for all of them; an account and a domain lie on a standard class.
        my $kind = $s =~ /[da]/ ? 'AUXILIARY' : 'STRUCTURAL MUST cn';
        $out .= sprintf "olcObjectClasses: ( %s.2.%d NAME '%s' SUP top %s MAY ( %s ) )\n",
          $OID, ++$i, $SCOPE_CLASS{$s}, $kind, join ' $ ', @may;
    }
    return "$out\n";
}

1;
