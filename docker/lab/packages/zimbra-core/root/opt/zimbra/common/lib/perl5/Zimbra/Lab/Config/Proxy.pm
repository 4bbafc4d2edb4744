package Zimbra::Lab::Config::Proxy;

# nginx.conf: web and mail in front of mailboxd. The last line tells zmproxyctl
# that the file is whole.

use strict;
use warnings;

my $H = '/opt/zimbra';

sub listen_lines {
    my ($ctx, $port, $extra) = @_;
    my $e = $extra ? " $extra" : '';
    my $out = '';
    $out .= "        listen $port$e;\n" if $ctx->{mode} ne 'ipv6';
    $out .= "        listen [::]:$port$e ipv6only=on;\n" if $ctx->{mode} ne 'ipv4';
    return $out;
}

sub files {
    my ($ctx) = @_;
    my ($v, $a) = @$ctx{qw(v attr)};
    my %out;
    my $dh = $a->{zimbraSSLDHParam} && length $a->{zimbraSSLDHParam}[0] ? $a->{zimbraSSLDHParam}[0] : '';
    $out{"$H/conf/dhparam.pem"} = [$dh, undef, 0644] if $dh;
    my ($module) = grep { -e } map { "$_/ngx_mail_module.so" } '/usr/lib/nginx/modules', '/usr/share/nginx/modules';
    my $load = $module ? "load_module $module;\n" : '';
    my $tls = join "\n    ", "ssl_certificate $H/conf/nginx.crt;", "ssl_certificate_key $H/conf/nginx.key;",
      'ssl_protocols ' . join(' ', sort @{ $a->{zimbraReverseProxySSLProtocols} }) . ';',
      'ssl_ciphers ' . $v->('zimbraReverseProxySSLCiphers') . ';', 'ssl_prefer_server_ciphers on;', 'ssl_session_timeout 10m;',
      ($dh ? "ssl_dhparam $H/conf/dhparam.pem;" : ());
    my $conf = "# Generated from LDAP by configrewrite: changes here are lost.\n$load"
      . "worker_processes " . $v->('zimbraReverseProxyWorkerProcesses', 2) . ";\nworker_rlimit_nofile 4096;\n"
      . "pid $H/log/nginx.pid;\nerror_log $H/log/nginx.log info;\nevents {\n    worker_connections 1024;\n}\n\n";
    $conf .= web($ctx, $tls) if $v->('zimbraReverseProxyHttpEnabled') eq 'TRUE';
    $conf .= mail($ctx, $tls, $module) if $v->('zimbraReverseProxyMailEnabled') eq 'TRUE';
    $conf .= "# __SUCCESS__\n";
    $out{"$H/conf/nginx.conf"} = [$conf, undef, 0644];
    return %out;
}

sub web {
    my ($ctx, $tls) = @_;
    my ($v, $a) = @$ctx{qw(v attr)};
    my $strict = $v->('zimbraReverseProxyStrictServerNameEnabled') eq 'TRUE';
    my %names = map { $_ => 1 } $ctx->{host}, grep { defined && length } $v->('zimbraPublicServiceHostname'),
      map { ($_->{zimbraDomainName}[0], @{ $_->{zimbraVirtualHostname} || [] }, @{ $_->{zimbraPublicServiceHostname} || [] }) } @{ $ctx->{domains} };
    my $names = join ' ', sort keys %names;
    my $headers = join '', map { my ($k, $t) = split /:\s*/, $_, 2; $t =~ s/(["\\])/\\$1/g; "    add_header $k \"$t\" always;\n" } @{ $a->{zimbraReverseProxyResponseHeaders} || [] };
    my $ssl_up = $v->('zimbraReverseProxySSLToUpstreamEnabled') eq 'TRUE';
    my $up = sub { my ($name) = @_; return "        location / {\n            proxy_pass $name;\n            proxy_http_version 1.1;\n            proxy_set_header Connection \"\";\n            proxy_set_header Host \$http_host;\n"
      . "            proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;\n            proxy_set_header X-Forwarded-Proto \$scheme;\n        }\n" };
    my $to = $ssl_up ? 'https://zimbra_ssl' : 'http://zimbra';
    my $host = $ctx->{host};
    my $temp = join '', map { "    ${_}_temp_path $H/data/nginx/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
    my $conf = "http {\n$temp    types { text/html html; }\n    default_type application/octet-stream;\n    server_tokens off;\n    client_max_body_size 0;\n    keepalive_timeout 60;\n"
      . "    log_format upstream '\$remote_addr:\$remote_port - \$remote_user [\$time_local]  '\n        '\"\$request_method \$scheme://\$host\$request_uri \$server_protocol\" \$status \$bytes_sent '\n"
      . "        '\"\$http_referer\" \"\$http_user_agent\" \"\$upstream_addr\" \"\$server_addr:\$server_port\"';\n    access_log $H/log/nginx.access.log upstream;\n    $tls\n$headers"
      . "    upstream zimbra { server $host:" . $v->('zimbraMailPort') . "; }\n    upstream zimbra_ssl { server $host:" . $v->('zimbraMailSSLPort') . "; }\n"
      . "    upstream zimbra_admin { server $host:" . $v->('zimbraAdminPort') . "; }\n\n";
    my $mode = $v->('zimbraReverseProxyMailMode');
    my $site = sub {
        my ($port, $ssl, $inside) = @_;
        my $x = $ssl ? 'ssl' : '';
        my $s = '';
        # only the default server of a port states what the socket is like
        if ($strict) {
            $s .= "    server {\n" . listen_lines($ctx, $port, join ' ', grep { length } 'default_server', $x) . "        return 400;\n    }\n";
            (my $again = listen_lines($ctx, $port, $x)) =~ s/ ipv6only=on//g;
            $s .= "    server {\n$again        server_name $names;\n$inside    }\n";
        }
        else {
            $s .= "    server {\n" . listen_lines($ctx, $port, join ' ', grep { length } 'default_server', $x) . "        server_name $names;\n$inside    }\n";
        }
        return $s;
    };
    my ($http, $https) = ($v->('zimbraMailProxyPort'), $v->('zimbraMailSSLProxyPort'));
    my $suffix = $https eq '443' ? '' : ":$https";
    $conf .= $site->($http, 0, "        return 301 https://\$host$suffix\$request_uri;\n") if $mode =~ /redirect|mixed/;
    $conf .= $site->($http, 0, $up->($to)) if $mode =~ /^(http|both)$/;
    $conf .= $site->($https, 1, $up->($to)) if $mode ne 'http';
    $conf .= $site->($v->('zimbraAdminProxyPort'), 1, $up->('https://zimbra_admin')) if $v->('zimbraReverseProxyAdminEnabled') eq 'TRUE';
    return "$conf}\n\n";
}

sub mail {
    my ($ctx, $tls, $module) = @_;
    my $v = $ctx->{v};
    my $proxied = -e "$H/conf/.mail_proxy_protocol" ? "    proxy_protocol on;\n" : '';
    my $conf = "mail {\n    $tls\n    auth_http http://$ctx->{host}:" . $v->('zimbraExtensionBindPort') . "/service/extension/nginx-lookup;\n"
      . "    auth_http_timeout 15s;\n    proxy_pass_error_message on;\n$proxied    server_name $ctx->{host};\n"
      . "    imap_capabilities IMAP4rev1 ID LITERAL+ SASL-IR IDLE NAMESPACE UIDPLUS;\n    imap_auth plain login;\n"
      . "    pop3_capabilities TOP USER UIDL RESP-CODES;\n    pop3_auth plain;\n\n";
    for my $s (['imap', 'zimbraImapProxyBindPort', 'zimbraImapSSLProxyBindPort', 'zimbraReverseProxyImapStartTlsMode'],
        ['pop3', 'zimbraPop3ProxyBindPort', 'zimbraPop3SSLProxyBindPort', 'zimbraReverseProxyPop3StartTlsMode']) {
        my ($proto, $plain, $ssl, $mode) = @$s;
        $conf .= "    server {\n" . listen_lines($ctx, $v->($plain)) . "        protocol $proto;\n        starttls " . $v->($mode, 'only') . ";\n    }\n";
        $conf .= "    server {\n" . listen_lines($ctx, $v->($ssl), 'ssl') . "        protocol $proto;\n    }\n";
    }
    return "$conf}\n\n";
}

1;
