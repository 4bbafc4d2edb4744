package Zimbra::Lab::Prov;

# The commands of zmprov. execute() prints and returns ok, usage or error.

use strict;
use warnings;
use MIME::Base64 qw(encode_base64);
use Zimbra::Lab qw(lc_get slurp);
use Zimbra::Lab::Attrs qw(attr check_value defaults);
use Zimbra::Lab::Ldap qw(ldap_connect entry find ensure_entry replace_attrs server_dn domain_dn account_dn account_filter
  merged ssha new_id);

# name => [short, least arguments, most, usage, code]
my %CMD = (
    getAllConfig   => ['gacf', 0, 99, '[attr1 [attr2...]]', \&get_all_config],
    getConfig      => ['gcf',  1, 1,  '{name}',             \&get_all_config],
    modifyConfig   => ['mcf',  2, 9999, 'attr1 value1 [attr2 value2...]', \&modify_config],
    getServer      => ['gs',   1, 99, '[-e] {name|id} [attr1 [attr2...]]', \&get_server],
    getAllServers  => ['gas',  0, 3,  '[-v] [-e] [service]', \&get_all_servers],
    createServer   => ['cs',   1, 9999, '{name} [attr1 value1 [attr2 value2...]]', \&create_server],
    modifyServer   => ['ms',   3, 9999, '{name|id} [attr1 value1 [attr2 value2...]]', \&modify_server],
    getDomain      => ['gd',   1, 99, '{domain|id} [attr1 [attr2...]]', \&get_domain],
    getAllDomains  => ['gad',  0, 1,  '[-v]', \&get_all_domains],
    createDomain   => ['cd',   1, 9999, '{domain} [attr1 value1 [attr2 value2...]]', \&create_domain],
    modifyDomain   => ['md',   3, 9999, '{domain|id} [attr1 value1 [attr2 value2...]]', \&modify_domain],
    getCos         => ['gc',   1, 99, '{name|id} [attr1 [attr2...]]', \&get_cos],
    modifyCos      => ['mc',   3, 9999, '{name|id} [attr1 value1 [attr2 value2...]]', \&modify_cos],
    getAccount     => ['ga',   1, 99, '{name@domain|id} [attr1 [attr2...]]', \&get_account],
    getAllAccounts => ['gaa',  0, 5,  '[-v] [{domain}]', \&get_all_accounts],
    getAllAdminAccounts => ['gaaa', 0, 2, '[-v]', \&get_all_admins],
    createAccount  => ['ca',   2, 9999, '{name@domain} {password} [attr1 value1 [attr2 value2...]]', \&create_account],
    modifyAccount  => ['ma',   3, 9999, '{name@domain|id} [attr1 value1 [attr2 value2...]]', \&modify_account],
    deleteAccount  => ['da',   1, 1,  '{name@domain|id}', \&delete_account],
    setPassword    => ['sp',   2, 2,  '{name@domain|id} {password}', \&set_password],
    addAccountAlias    => ['aaa', 2, 2, '{name@domain|id} {alias@domain}', \&add_alias],
    removeAccountAlias => ['raa', 2, 2, '{name@domain|id} {alias@domain}', \&remove_alias],
    flushCache     => ['fc',   1, 99, '[-a] {acl|locale|skin|account|config|cos|domain|server|...}', sub { 'ok' }],
    help           => ['?',    0, 1,  '[commands]', \&help],
);
my %BY = (%CMD, map { $CMD{$_}[0] => $CMD{$_} } keys %CMD);

# Attributes that -r is needed to replace, as in Zimbra.
my %SAFEGUARDED = map { lc $_ => 1 } qw(zimbraServiceEnabled zimbraServiceInstalled);

sub new { my ($class, %o) = @_; return bless {%o}, $class }
sub is_local { my ($self, $c) = @_; return $c =~ /^(help|\?)$/ || !$BY{$c} }
sub ldap { my ($self) = @_; return $self->{ldap} //= ldap_connect(master => 1) }

# Whitespace separates; a quote counts only at the start of a word; \ escapes.
sub parse_line {
    my ($line) = @_;
    my @words;
    while ($line =~ /\G\s*(?=\S)/gc) {
        my $word = '';
        my $q = $line =~ /\G(["'])/gc ? $1 : undef;
        while ($line =~ /\G(.)/gcs) {
            my $c = $1;
            if ($c eq '\\' && $line =~ /\G(.)/gcs) {
                my %esc = (n => "\n", t => "\t", r => "\r");
                $word .= $esc{$1} // $1;
            }
            elsif (defined $q ? $c eq $q : $c =~ /\s/) { last }
            else                                       { $word .= $c }
        }
        push @words, $word;
    }
    return @words;
}

sub execute {
    my ($self, $name, @args) = @_;
    my $cmd = $BY{$name};
    if (!$cmd) {
        print STDERR "Unknown command: $name\n" if length $name;
        print STDERR "Invalid command: $name. Try: zmprov help\n";
        return 'usage';
    }
    if (@args < $cmd->[1] || @args > $cmd->[2]) {
        my ($long) = grep { $CMD{$_} == $cmd } keys %CMD;
        print STDERR "\nusage:  $long($cmd->[0]) $cmd->[3]\n\nFor general help, type : zmprov --help\n";
        return 'usage';
    }
    my $r = eval { local $SIG{__DIE__} = 'DEFAULT'; $cmd->[4]->($self, @args) };
    return $r if defined $r;
    my $e = $@ || "unknown error\n";
    chomp $e;
    $e = "ldap.LDAP_ERROR ($e)" if $e =~ /^(Connect|Bind|TLS): /;
    $e = "service.FAILURE (system failure: $e)" unless $e =~ /^[a-z]+\.[A-Z_]+ \(/;
    print STDERR "ERROR: $e\n";
    return 'error';
}

sub help {
    printf "  %-28s %s\n", "$_($CMD{$_}[0])", $CMD{$_}[3] for sort keys %CMD;
    return 'ok';
}

# --- printing

sub print_value {
    my ($name, $v, $bare) = @_;
    if ((attr($name) || { type => '' })->{type} eq 'binary') { print "${name}:: ", encode_base64($v, "\n") =~ s/\n\z//r, "\n"; return }
    utf8::decode($v);
    print "$name: $v\n";
    return;
}

# Names are not case-sensitive; attr=value keeps only that value.
sub print_attrs {
    my ($e, @want) = @_;
    my %filter;
    for my $w (@want) {
        my ($n, $v) = split /=/, $w, 2;
        push @{ $filter{ lc $n } }, $v;
    }
    for my $name (sort { lc $a cmp lc $b } keys %$e) {
        next if $name eq 'dn';
        next if %filter && !$filter{ lc $name };
        my @only = grep { defined } @{ $filter{ lc $name } || [] };
        for my $v (@{ $e->{$name} }) {
            next if @only && !grep { $_ eq $v } @only;
            $v = 'VALUE-BLOCKED' if lc $name eq 'userpassword';
            print_value($name, $v);
        }
    }
    return;
}

sub print_entry {
    my ($name, $e, @want) = @_;
    print "# name $name\n";
    print_attrs($e, @want);
    print "\n";
    return 'ok';
}

# --- changing

sub value_of {
    my ($a, $v) = @_;
    return $v unless $a->{type} eq 'binary' && length $v;
    return slurp($v) // die "service.FAILURE (system failure: unable to read file $v)\n";
}

# attr value, +attr value, -attr value; an empty value removes the attribute; one
# name several times makes a list.
sub changes {
    my ($self, $scope, $old, @av) = @_;
    die "service.INVALID_REQUEST (invalid request: not enough arguments)\n" if @av % 2;
    my (%new, %plain);
    while (my ($key, $v) = splice @av, 0, 2) {
        my ($op, $name) = $key =~ /^([+-]?)(.*)$/;
        my $a = attr($name);
        if (!$a && lc $name eq 'userpassword' && $scope eq 'a') { $new{userPassword} = [ssha($v)]; next }
        if (!$a && $name =~ /^(displayName|description|givenName|sn|cn)$/ && $scope =~ /[ad]/) { $new{$name} = length $v ? [$v] : []; next }
        die "account.INVALID_ATTR_NAME (invalid attr name: $name: no such attribute)\n" unless $a;
        die "account.INVALID_ATTR_NAME (invalid attr name: $name: object class violation)\n" unless $a->{scopes}{$scope};
        $name = $a->{name};
        if (!$op && $SAFEGUARDED{ lc $name } && !$self->{replace_ok}) {
            print STDERR "error: cannot replace multi-valued attr value unless -r is specified\n";
            $self->{fatal} = 1;
            die "service.INVALID_REQUEST (invalid request: $name)\n";
        }
        if (length $v && $op ne '-') {
            my $bad = check_value($a, $v);
            die "$bad\n" if $bad;
        }
        my @now = @{ $new{$name} // $old->{$name} // [] };
        my $val = value_of($a, $v);
        if    ($op eq '+') { push @now, $val unless grep { $_ eq $val } @now; $new{$name} = [@now] }
        elsif ($op eq '-') { $new{$name} = [grep { $_ ne $val } @now] }
        elsif (!length $v) { $new{$name} = []; $plain{$name} = 1 }
        elsif ($plain{$name}++) { push @{ $new{$name} }, $val }
        else                    { $new{$name} = [$val] }
        die "account.INVALID_ATTR_VALUE ($name is a single-valued attribute)\n" if !$a->{multi} && @{ $new{$name} } > 1;
    }
    return %new;
}

sub modify {
    my ($self, $scope, $dn, @av) = @_;
    my $old = entry($self->ldap, $dn);
    my %new = $self->changes($scope, $old, @av);
    replace_attrs($self->ldap, $dn, %new) if %new;
    return 'ok';
}

# --- global, servers, class of service

sub get_all_config {
    my ($self, @want) = @_;
    my %all = (%{ defaults('g') }, %{ entry($self->ldap, $Zimbra::Lab::Ldap::CONFIG_DN) || {} });
    delete @all{qw(dn objectClass cn)};
    print_attrs(\%all, @want);
    return 'ok';
}
sub modify_config { my ($self, @av) = @_; return $self->modify('g', $Zimbra::Lab::Ldap::CONFIG_DN, @av) }

sub server {
    my ($self, $name) = @_;
    return entry($self->ldap, server_dn($name)) // die "account.NO_SUCH_SERVER (no such server: $name)\n";
}

sub get_server {
    my ($self, @args) = @_;
    my $own = @args && $args[0] eq '-e' ? shift @args : undef;
    my $name = shift(@args) // return 'usage';
    my $e = $self->server($name);
    $e = { %{ merged($self->ldap, $name) }, %$e } unless $own;
    return print_entry($e->{cn}[0], $e, @args);
}

sub get_all_servers {
    my ($self, @args) = @_;
    my $full = grep { $_ eq '-v' } @args;
    my ($service) = grep { !/^-/ } @args;
    for my $e (find($self->ldap, 'cn=servers,cn=zimbra', '(objectClass=zimbraServer)')) {
        next if defined $service && !grep { $_ eq $service } @{ $e->{zimbraServiceEnabled} || [] };
        if   ($full) { print_entry($e->{cn}[0], $e) }
        else         { print "$e->{cn}[0]\n" }
    }
    return 'ok';
}

sub create_server {
    my ($self, $name, @av) = @_;
    $name = lc $name;
    my %new = $self->changes('s', {}, @av);
    ensure_entry($self->ldap, server_dn($name), objectClass => ['zimbraServer'], cn => $name, zimbraId => new_id(),
        zimbraServiceHostname => $name, map { @{ $new{$_} } ? ($_ => $new{$_}) : () } keys %new)
      or die "account.SERVER_EXISTS (server already exists: $name)\n";
    print entry($self->ldap, server_dn($name))->{zimbraId}[0], "\n";
    return 'ok';
}
sub modify_server { my ($self, $name, @av) = @_; $self->server($name); return $self->modify('s', server_dn($name), @av) }

sub get_cos {
    my ($self, $name, @want) = @_;
    my $e = find_cos($self, $name);
    return print_entry('default', { %{ defaults('c') }, %$e }, @want);
}
sub find_cos {
    my ($self, $name) = @_;
    my $e = entry($self->ldap, $Zimbra::Lab::Ldap::COS_DN);
    return $e if $e && ($name eq 'default' || $name eq ($e->{zimbraId}[0] // ''));
    die "account.NO_SUCH_COS (no such cos: $name)\n";
}
sub modify_cos { my ($self, $name, @av) = @_; find_cos($self, $name); return $self->modify('c', $Zimbra::Lab::Ldap::COS_DN, @av) }

# --- domains

sub domain {
    my ($self, $name) = @_;
    my ($d) = find($self->ldap, '', '(&(objectClass=zimbraDomain)(zimbraDomainName=' . Net::LDAP::Util::escape_filter_value(lc $name) . '))');
    return $d // die "account.NO_SUCH_DOMAIN (no such domain: $name)\n";
}
sub get_domain    { my ($self, $name, @want) = @_; my $e = $self->domain($name); return print_entry($e->{zimbraDomainName}[0], $e, @want) }
sub modify_domain { my ($self, $name, @av) = @_; return $self->modify('d', $self->domain($name)->{dn}, @av) }

sub get_all_domains {
    my ($self, @args) = @_;
    for my $e (find($self->ldap, '', '(objectClass=zimbraDomain)')) {
        if   (@args && $args[0] eq '-v') { print_entry($e->{zimbraDomainName}[0], $e) }
        else                             { print "$e->{zimbraDomainName}[0]\n" }
    }
    return 'ok';
}

# dc=com, dc=example,dc=com, ou=people below it: what is missing of them.
sub create_domain {
    my ($self, $name, @av) = @_;
    $name = lc $name;
    die "service.INVALID_REQUEST (invalid request: domain name: $name)\n" unless $name =~ /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;
    die "account.DOMAIN_EXISTS (domain already exists: $name)\n"
      if find($self->ldap, '', "(&(objectClass=zimbraDomain)(zimbraDomainName=$name))");
    my %new = $self->changes('d', {}, @av);
    my @labels = split /\./, $name;
    for my $i (reverse 1 .. $#labels) {
        my $up = join '.', @labels[$i .. $#labels];
        ensure_entry($self->ldap, domain_dn($up), objectClass => [qw(dcObject organization)], o => "$up domain", dc => $labels[$i]);
    }
    my $dn = domain_dn($name);
    my @own = (zimbraId => new_id(), zimbraDomainName => $name, zimbraDomainType => 'local', zimbraDomainStatus => 'active',
        map { @{ $new{$_} } ? ($_ => $new{$_}) : () } keys %new);
    ensure_entry($self->ldap, $dn, objectClass => [qw(dcObject organization zimbraDomain)], o => "$name domain", dc => $labels[0], @own)
      or replace_attrs($self->ldap, $dn, objectClass => [qw(dcObject organization zimbraDomain)], map { ref $_ ? $_ : $_ } @own);
    ensure_entry($self->ldap, "ou=people,$dn", objectClass => 'organizationalRole', ou => 'people', cn => 'people');
    print $self->domain($name)->{zimbraId}[0], "\n";
    return 'ok';
}

# --- accounts

sub account {
    my ($self, $name) = @_;
    my $by = $name =~ /@/ ? account_filter($name)
      : '(&(objectClass=zimbraAccount)(zimbraId=' . Net::LDAP::Util::escape_filter_value($name) . '))';
    $name .= '@' . ((entry($self->ldap, $Zimbra::Lab::Ldap::CONFIG_DN) || {})->{zimbraDefaultDomainName}[0] // '') if $name !~ /@|-.*-/;
    my ($e) = find($self->ldap, '', $name =~ /@/ ? account_filter($name) : $by);
    return $e // die "account.NO_SUCH_ACCOUNT (no such account: $name)\n";
}
sub address { return $_[0]{zimbraMailDeliveryAddress}[0] }
sub get_account    { my ($self, $name, @want) = @_; my $e = $self->account($name); return print_entry(address($e), $e, @want) }
sub modify_account { my ($self, $name, @av) = @_; return $self->modify('a', $self->account($name)->{dn}, @av) }

sub list_accounts {
    my ($self, $filter, @args) = @_;
    my $full = grep { $_ eq '-v' } @args;
    my ($domain) = grep { !/^-/ } @args;
    my $base = defined $domain ? $self->domain($domain)->{dn} : '';
    for my $e (sort { address($a) cmp address($b) } find($self->ldap, $base, $filter)) {
        if   ($full) { print_entry(address($e), $e) }
        else         { print address($e), "\n" }
    }
    return 'ok';
}
sub get_all_accounts { my ($self, @a) = @_; return $self->list_accounts('(objectClass=zimbraAccount)', @a) }
sub get_all_admins   { my ($self, @a) = @_; return $self->list_accounts('(&(objectClass=zimbraAccount)(zimbraIsAdminAccount=TRUE))', @a) }

sub min_length {
    my ($self) = @_;
    my $cos = entry($self->ldap, $Zimbra::Lab::Ldap::COS_DN) || {};
    return $cos->{zimbraPasswordMinLength}[0] // defaults('c')->{zimbraPasswordMinLength}[0];
}

sub check_password {
    my ($self, $password) = @_;
    my $min = $self->min_length;
    die "account.INVALID_PASSWORD (invalid password: too short)\n" if length $password < $min;
    return;
}

sub create_account {
    my ($self, $name, $password, @av) = @_;
    $name = lc $name;
    die "service.INVALID_REQUEST (invalid request: must be valid email address: $name)\n"
      unless $name =~ /^[a-z0-9!#\$%&'*+\/=?^_`{|}~.-]+@[a-z0-9.-]+$/;
    my ($local, $domain) = split /@/, $name;
    $self->domain($domain);
    die "account.ACCOUNT_EXISTS (email address already exists: $name)\n" if find($self->ldap, '', account_filter($name));
    # an empty password: an account that nobody can log in to
    $self->check_password($password) if length $password;
    my %new = $self->changes('a', {}, @av);
    my %attrs = (uid => $local, cn => $local, sn => $local, mail => $name, zimbraId => new_id(), zimbraMailDeliveryAddress => $name,
        zimbraAccountStatus => 'active', zimbraMailStatus => 'enabled', zimbraMailHost => lc_get('zimbra_server_hostname'),
        (length $password ? (userPassword => ssha($password)) : ()), map { @{ $new{$_} } ? ($_ => $new{$_}) : () } keys %new);
    ensure_entry($self->ldap, account_dn($name), objectClass => [qw(inetOrgPerson zimbraAccount)], %attrs)
      or die "account.ACCOUNT_EXISTS (email address already exists: $name)\n";
    print "$attrs{zimbraId}\n";
    return 'ok';
}

sub delete_account {
    my ($self, $name) = @_;
    my $m = $self->ldap->delete($self->account($name)->{dn});
    die $m->error . "\n" if $m->code;
    return 'ok';
}

sub set_password {
    my ($self, $name, $password) = @_;
    my $e = $self->account($name);
    $self->check_password($password);
    replace_attrs($self->ldap, $e->{dn}, userPassword => [ssha($password)]);
    return 'ok';
}

sub add_alias {
    my ($self, $name, $alias) = @_;
    my $e = $self->account($name);
    die "account.ACCOUNT_EXISTS (email address already exists: $alias)\n" if find($self->ldap, '', account_filter($alias));
    replace_attrs($self->ldap, $e->{dn}, zimbraMailAlias => [@{ $e->{zimbraMailAlias} || [] }, lc $alias], mail => [@{ $e->{mail} }, lc $alias]);
    return 'ok';
}

sub remove_alias {
    my ($self, $name, $alias) = @_;
    my $e = $self->account($name);
    die "account.NO_SUCH_ALIAS (no such alias: $alias)\n" unless grep { $_ eq lc $alias } @{ $e->{zimbraMailAlias} || [] };
    replace_attrs($self->ldap, $e->{dn}, map { my $k = $_; $k => [grep { $_ ne lc $alias } @{ $e->{$k} || [] }] } qw(zimbraMailAlias mail));
    return 'ok';
}

1;
