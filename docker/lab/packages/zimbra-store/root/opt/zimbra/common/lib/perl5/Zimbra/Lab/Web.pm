package Zimbra::Lab::Web;

# Requests, pages, SOAP and the two logs of mailboxd. The log lines are
# Zimbra's, because programs that watch for break-ins read them.

use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use Zimbra::Lab qw(lc_get xml_escape random_password);
use Zimbra::Lab::Ldap qw(check_login);

my $MAX_HEADER = 32 * 1024;
my $MAX_BODY   = 1024 * 1024;
my %REASON = (200 => 'OK', 204 => 'No Content', 302 => 'Found', 400 => 'Bad Request', 401 => 'Unauthorized',
    404 => 'Not Found', 405 => 'Method Not Allowed', 413 => 'Payload Too Large', 500 => 'Server Error');

# --- HTTP

sub read_request {
    my ($conn) = @_;
    my $buf = '';
    until ($buf =~ /\r?\n\r?\n/) {
        return if length $buf > $MAX_HEADER;
        my $n = sysread $conn, $buf, 8192, length $buf;
        return unless $n;
    }
    my ($head, $rest) = split /\r?\n\r?\n/, $buf, 2;
    my ($line, @fields) = split /\r?\n/, $head;
    my ($method, $uri, $version) = $line =~ m{^([A-Z]+) (\S+) HTTP/(1\.[01])$} or return;
    my %h;
    for (@fields) {
        my ($k, $v) = /^([!-9;-~]+):\s*(.*?)\s*$/ or return;
        $k = lc $k;
        $h{$k} = exists $h{$k} ? "$h{$k}, $v" : $v;
    }
    my $len = $h{'content-length'} // 0;
    return if $len !~ /^\d+$/ || $len > $MAX_BODY || $h{'transfer-encoding'};
    if ($len && lc($h{expect} // '') eq '100-continue') { print {$conn} "HTTP/1.1 100 Continue\r\n\r\n" }
    while (length $rest < $len) {
        my $n = sysread $conn, $rest, 65536, length $rest;
        return unless $n;
    }
    my ($path, $query) = split /\?/, $uri, 2;
    my $keep = $version eq '1.1' ? lc($h{connection} // '') ne 'close' : lc($h{connection} // '') eq 'keep-alive';
    return { method => $method, path => $path, query => $query // '', h => \%h, body => substr($rest, 0, $len), keep => $keep };
}

sub response {
    my ($r, $keep) = @_;
    my $body = $r->{body} // '';
    utf8::encode($body) if utf8::is_utf8($body);
    my @h = (['Content-Type', $r->{type} // 'text/html;charset=utf-8'], ['Content-Length', length $body],
        ['Connection', $keep ? 'keep-alive' : 'close'], ['X-Frame-Options', 'SAMEORIGIN'], @{ $r->{headers} || [] });
    return "HTTP/1.1 $r->{status} $REASON{$r->{status}}\r\n" . join('', map { "$_->[0]: $_->[1]\r\n" } @h) . "\r\n" . ($r->{head} ? '' : $body);
}

sub form {
    my ($text) = @_;
    my %f;
    for (split /[&;]/, $text) {
        my ($k, $v) = map { s/\+/ /gr =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger } split(/=/, $_, 2), '';
        $f{$k} = $v;
    }
    return \%f;
}

# --- who asks: X-Forwarded-For is believed from this host and from zimbraMailTrustedIP

sub origin {
    my ($req) = @_;
    my $xff = $req->{h}{'x-forwarded-for'};
    my %trusted = map { $_ => 1 } '127.0.0.1', @{ $req->{attr}{zimbraMailTrustedIP} || [] };
    return $trusted{ $req->{peer} } && defined $xff && length $xff ? $xff : undef;
}

sub context {
    my ($req, $name) = @_;
    my $oip = origin($req);
    my $ctx = $name ? "name=$name;" : '';
    $ctx .= "ip=$req->{peer};" if $req->{peer} ne '127.0.0.1' && !defined $oip;
    $ctx .= "oip=$oip;" if defined $oip;
    (my $ua = $req->{h}{'user-agent'} // '') =~ s/;/;;/g;
    $ctx .= "ua=$ua;" if length $ua;
    return $ctx;
}

sub thread { my ($req) = @_; return sprintf 'qtp%d-%d:https://%s:%d%s', 1335505684, $$ % 1000, $req->{host}, $req->{port}, $req->{path} }

sub append {
    my ($file, $line) = @_;
    $line =~ s/[\r\n]/ /g;
    my ($s, $us) = (time, (POSIX::clock() / 1000) % 1000);
    eval { require Time::HiRes; my @t = Time::HiRes::gettimeofday(); ($s, $us) = ($t[0], int $t[1] / 1000); 1 } or $us = 0;
    open my $fh, '>>', "/opt/zimbra/log/$file" or return;
    syswrite $fh, sprintf "%s,%03d %s\n", POSIX::strftime('%F %T', localtime $s), $us, $line;
    close $fh;
    return;
}
sub mailbox_log { my ($level, $text) = @_; append('mailbox.log', sprintf '%-5s [main] [] %s', $level, $text); return }

# One login: the verdict, and its lines in audit.log and mailbox.log.
sub login {
    my ($req, $cmd, $name, $password, $protocol) = @_;
    my ($verdict, $addr, $acct) = check_login($name, $password);
    if ($verdict eq 'ok' && $cmd eq 'AdminAuth' && ($acct->{zimbraIsAdminAccount}[0] // '') ne 'TRUE') { $verdict = 'permission denied' }
    my $who = $addr // $name;
    if ($verdict eq 'ok') {
        append('audit.log', sprintf 'INFO  [%s] [%s] security - cmd=%s; account=%s; protocol=%s;', thread($req), context($req, $who), $cmd, $who, $protocol);
        return (1, $who);
    }
    my $why = "authentication failed for [$name], $verdict";
    append('audit.log', sprintf 'WARN  [%s] [%s] security - cmd=%s; account=%s; protocol=%s; error=%s;', thread($req), context($req, $who), $cmd, $who, $protocol, $why)
      unless $verdict eq 'account not found';
    append('mailbox.log', sprintf 'INFO  [%s] [%s] SoapEngine - handler exception: %s', thread($req), context($req, $addr), $why);
    return (0, $why);
}

# --- pages

sub page {
    my ($title, $inner) = @_;
    return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>$title</title>"
      . '<style>body{font:16px sans-serif;margin:4em auto;max-width:32em;color:#222}input{display:block;margin:.3em 0 1em;padding:.5em;width:100%}'
      . ".e{color:#a00}</style></head>\n<body><h1>$title</h1>\n$inner\n</body></html>\n";
}

sub login_page {
    my ($admin, $error) = @_;
    my $e = defined $error ? '<p class="e">The username or password is incorrect. Verify that CAPS LOCK is not on, and then retype the current username and password.</p>' : '';
    return page($admin ? 'Zimbra Administration' : 'Zimbra Web Client Sign In',
        "$e<form method=\"post\"><input type=\"hidden\" name=\"loginOp\" value=\"login\"><label>Username<input name=\"username\" autocomplete=\"username\"></label>"
          . '<label>Password<input type="password" name="password" autocomplete="current-password"></label><input type="submit" value="Sign In"></form>');
}

# The inbox over IMAP, with the password that just worked.
sub inbox {
    my ($req, $who, $password) = @_;
    my $port = $req->{attr}{zimbraImapBindPort}[0];
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 5) or return '<p class="e">The mail store does not answer.</p>';
    my $q = sub { my $v = $_[0]; $v =~ s/(["\\])/\\$1/g; return "\"$v\"" };
    my $n = 0;
    my $ask = sub {
        my $tag = 'a' . ++$n;
        print {$s} "$tag $_[0]\r\n";
        my $all = '';
        while (my $l = <$s>) { return $l =~ /^$tag OK/ ? $all : undef if $l =~ /^$tag /; $all .= $l }
        return;
    };
    <$s>;
    defined $ask->('LOGIN ' . $q->($who) . ' ' . $q->($password)) or return '<p class="e">The mail store refused the login.</p>';
    my $sel = $ask->('EXAMINE INBOX') // '';
    my ($count) = $sel =~ /\* (\d+) EXISTS/;
    my $text = $count ? $ask->('FETCH ' . ($count > 20 ? $count - 19 : 1) . ":$count BODY.PEEK[HEADER.FIELDS (SUBJECT)]") // '' : '';
    my @subjects = map { xml_escape($_) } $text =~ /^Subject:\s*(.*?)\r?$/mgi;
    $ask->('LOGOUT');
    return '<p>' . xml_escape($who) . ': ' . ($count // 0) . ' messages</p><ul>' . join('', map { "<li>$_</li>" } reverse @subjects) . '</ul>';
}

# --- SOAP: AuthRequest and NoOpRequest

sub unescape { my ($s) = @_; my %e = (amp => '&', lt => '<', gt => '>', quot => '"', apos => q(')); $s =~ s/&(amp|lt|gt|quot|apos);/$e{$1}/g; return $s }

sub soap {
    my ($req, $admin) = @_;
    my $b = $req->{body};
    my $ns = $admin ? 'urn:zimbraAdmin' : 'urn:zimbraAccount';
    my $fault = sub {
        my ($code, $text) = @_;
        return { status => 500, type => 'text/xml;charset=utf-8', body => '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body><soap:Fault>'
              . '<soap:Code><soap:Value>soap:Sender</soap:Value></soap:Code><soap:Reason><soap:Text>' . xml_escape($text) . '</soap:Text></soap:Reason>'
              . "<soap:Detail><Error xmlns=\"urn:zimbra\"><Code>$code</Code></Error></soap:Detail></soap:Fault></soap:Body></soap:Envelope>" };
    };
    return $fault->('service.PARSE_ERROR', 'document parse failed') unless $b =~ /<(?:\w+:)?Envelope\b/;
    return $fault->('service.AUTH_REQUIRED', 'no valid authtoken present') unless $b =~ /<(?:\w+:)?AuthRequest\b/;
    my ($name) = $b =~ m{<(?:\w+:)?(?:account|name)\b[^>]*>([^<]*)</};
    my ($pass) = $b =~ m{<(?:\w+:)?password\b[^>]*>([^<]*)</};
    return $fault->('service.INVALID_REQUEST', 'invalid request: missing required element') unless defined $name && defined $pass;
    my ($ok, $text) = login($req, $admin ? 'AdminAuth' : 'Auth', unescape($name), unescape($pass), 'soap');
    return $fault->('account.AUTH_FAILED', "authentication failed for [" . unescape($name) . ']') unless $ok;
    return { status => 200, type => 'text/xml;charset=utf-8', body => '<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body>'
          . "<AuthResponse xmlns=\"$ns\"><authToken>0_" . random_password() . '</authToken><lifetime>43199998</lifetime></AuthResponse></soap:Body></soap:Envelope>' };
}

# --- where a mail login goes, as nginx asks; the password is the store's to judge

sub lookup {
    my ($req) = @_;
    my $protocol = $req->{h}{'auth-protocol'} // '';
    my $a = $req->{attr};
    # the store's ports that take the client's address from nginx (PROXY protocol), where both can
    my $proxied = -e '/opt/zimbra/conf/.mail_proxy_protocol';
    my %port = (imap => $proxied ? 7144 : $a->{zimbraImapBindPort}[0], pop3 => $proxied ? 7111 : $a->{zimbraPop3BindPort}[0]);
    return { status => 200, headers => [['Auth-Status', 'unsupported protocol']] } unless $port{$protocol};
    return { status => 200, headers => [['Auth-Status', 'OK'], ['Auth-Server', '127.0.0.1'], ['Auth-Port', $port{$protocol}], ['Auth-User', $req->{h}{'auth-user'} // '']] };
}

# dovecot reports every IMAP and POP login (auth_policy): the audit line of it.
sub report {
    my ($req) = @_;
    my %j = $req->{body} =~ /"(\w+)":\s*(?|"((?:[^"\\]|\\.)*)"|(true|false))/g;
    return { status => 200, type => 'application/json', body => '{"status":0}' } unless ($req->{query} // '') =~ /report/ && defined $j{login};
    my ($name, $remote, $protocol) = ($j{login}, $j{remote} // '', $j{protocol} // '');
    my $thread = (ucfirst $protocol) . 'Server-' . $$ % 100;
    # from outside it came by way of nginx, which connects from the host itself
    my $own = join '.', unpack 'C4', (gethostbyname $req->{host})[4] // "\x7f\0\0\1";
    my $ctx = $remote =~ /^(127\.0\.0\.1|::1|\Q$own\E|)$/ ? "ip=$remote;" : "ip=$own;oip=$remote;via=$own(nginx);";
    if (($j{success} // '') eq 'true') {
        append('audit.log', "INFO  [$thread] [$ctx] security - cmd=Auth; account=$name; protocol=$protocol;");
    }
    else {
        my ($verdict) = eval { check_login($name, undef) };
        if (($verdict // '') eq 'account not found') { append('mailbox.log', "INFO  [$thread] [$ctx] account - authentication failed for $name (no such account)") }
        else { append('audit.log', "WARN  [$thread] [$ctx] security - cmd=Auth; account=$name; protocol=$protocol; error=authentication failed for [$name], invalid password;") }
    }
    return { status => 200, type => 'application/json', body => '{"status":0}' };
}

sub answer {
    my ($kind, $req) = @_;
    my ($m, $p) = @$req{qw(method path)};
    my $head = $m eq 'HEAD';
    return { status => 405, body => page('405', ''), close => 1 } unless $m =~ /^(GET|HEAD|POST)$/;
    my $admin = $kind eq 'admin';
    my $r = eval {
        if ($kind eq 'lookup') {
            return $p eq '/service/extension/nginx-lookup' ? lookup($req) : $p eq '/policy' && $req->{peer} eq '127.0.0.1' ? report($req) : { status => 404, body => '' };
        }
        return soap($req, $admin) if $m eq 'POST' && $p =~ ($admin ? qr{^/service/admin/soap/?} : qr{^/service/soap/?});
        if ($p eq '/robots.txt') {
            my $out = ($req->{attr}{zimbraMailKeepOutWebCrawlers}[0] // '') eq 'TRUE';
            return { status => 200, type => 'text/plain', body => "User-agent: *\n" . ($out ? "Disallow: /\n" : "Allow: /\n") };
        }
        return { status => 302, headers => [['Location', '/zimbraAdmin/']], body => '' } if $admin && $p eq '/';
        return { status => 404, body => page('404 Not Found', '') } unless $p =~ ($admin ? qr{^/zimbraAdmin(/|$)} : qr{^/(zimbra/?|h/?|m/?)?$});
        return { status => 200, body => login_page($admin) } unless $m eq 'POST';
        my $f = form($req->{body});
        my ($ok, $who) = login($req, $admin ? 'AdminAuth' : 'Auth', $f->{username} // '', $f->{password} // '', 'soap');
        return { status => 200, body => login_page($admin, $who) } unless $ok;
        my @cookie = (['Set-Cookie', ($admin ? 'ZM_ADMIN_AUTH_TOKEN' : 'ZM_AUTH_TOKEN') . '=0_' . random_password() . '; Path=/; Secure; HttpOnly']);
        my $version = Zimbra::Lab::release_version();
        return { status => 200, headers => \@cookie, body => $admin
            ? page('Zimbra Administration', '<p>' . xml_escape($who) . "</p><p>Release $version on " . xml_escape($req->{host}) . '</p>')
            : page('Zimbra', inbox($req, $who, $f->{password})) };
    };
    if (!$r) {
        mailbox_log('WARN', "misc - $@");
        $r = { status => 500, body => page('500 Server Error', '') };
    }
    my %extra = map { ($_ => $req->{attr}{$_}) } grep { $req->{attr}{$_} } qw(zimbraResponseHeader);
    push @{ $r->{headers} }, map { [split /:\s*/, $_, 2] } @{ $extra{zimbraResponseHeader} || [] };
    $r->{head} = $head;
    return $r;
}

1;
