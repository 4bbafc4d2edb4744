#!/bin/bash
# selftest.sh ADMIN PASSWORD [--quick]: checks a running lab release from inside
# the jail, as root. One line per check, exit code 1 when one failed. --quick
# leaves out what stops or kills servers. Ends with everything running again.

set -u
admin=${1:?usage: selftest.sh ADMIN PASSWORD [--quick]}
password=${2:?usage: selftest.sh ADMIN PASSWORD [--quick]}
quick=${3:-}
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

H=/opt/zimbra
host=$(su - zimbra -c zmhostname)
domain=${admin#*@}
good=0
bad=0

ok() { good=$((good + 1)); echo "ok    $1"; }
no() { bad=$((bad + 1)); echo "FAIL  $1${2:+: $2}"; }

# check NAME COMMAND...: the command succeeds
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$name"; else no "$name" "$(tail -n 3 <<< "$out" | tr '\n\r' '  ')"; fi
}
# refuse NAME COMMAND...: the command fails
refuse() {
    local name=$1
    shift
    if "$@" > /dev/null 2>&1; then no "$name" "succeeded"; else ok "$name"; fi
}
# gives NAME RC PATTERN COMMAND...: exit code and text of both streams
gives() {
    local name=$1 want=$2 pattern=$3 out rc
    shift 3
    out=$("$@" 2>&1)
    rc=$?
    if [ $rc -ne "$want" ]; then
        no "$name" "exit code $rc instead of $want: $(tail -n 3 <<< "$out" | tr '\n' ' ')"
    elif ! grep -Pzq -- "$pattern" <<< "$out"; then
        no "$name" "text without /$pattern/: $(tail -n 5 <<< "$out" | tr '\n' ' ')"
    else
        ok "$name"
    fi
}
z() { su - zimbra -c "$1" < /dev/null; }

# dialog PORT plain|tls STEP...: "<re" waits for a line, ">text" sends one,
# "!" starts TLS, "?file" compares the peer's certificate with a file
dialog() {
    perl - "$host" "$@" << 'EOT'
use strict; use warnings; use IO::Socket::INET; use IO::Socket::SSL;
my ($host, $port, $mode, @steps) = @ARGV;
my %tls = (SSL_verify_mode => SSL_VERIFY_NONE, SSL_hostname => $host);
my $s = $mode eq 'tls' ? IO::Socket::SSL->new(PeerAddr => $host, PeerPort => $port, Timeout => 10, %tls)
                       : IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Timeout => 10);
$s or die "connect to $port: ", $@ || $SSL_ERROR, "\n";
$SIG{ALRM} = sub { die "no answer in time\n" };
my $last = '';
for (@steps) {
    alarm 30;
    my ($op, $t) = /^(.)(.*)$/s;
    if ($op eq '>') { print {$s} "$t\r\n" }
    elsif ($op eq '!') { $s = IO::Socket::SSL->start_SSL($s, %tls) or die "TLS: $SSL_ERROR\n" }
    elsif ($op eq '?') {
        open my $fh, '<', $t or die "$t: $!\n"; local $/; my $want = <$fh>; ($want) = $want =~ /(-----BEGIN CERT.*?END CERTIFICATE-----)/s;
        my $got = Net::SSLeay::PEM_get_string_X509($s->peer_certificate); $got =~ s/\s+$//;
        die "another certificate than $t\n" if $got ne $want;
    }
    else {
        my $hit = 0;
        while (defined(my $l = <$s>)) {
            $last = $l;
            if ($l =~ /$t/) { $hit = 1; last }
            last if $l =~ /^(?:[a-z] (?:OK|NO|BAD) |\d{3} |\+OK|-ERR)/;
        }
        $hit or die "expected /$t/, got: $last\n";
    }
}
EOT
}
plain64() { printf '\0%s\0%s' "$1" "$2" | base64 -w0; }
http() { # http PORT plain|tls METHOD PATH PATTERN [BODY]
    local body=${6:-}
    dialog "$1" "$2" ">$3 $4 HTTP/1.1" ">Host: $host" ">Connection: close" ">Content-Type: application/x-www-form-urlencoded" ">Content-Length: ${#body}" ">" ${body:+">$body"} "<$5"
}

echo "# $(uname -r), $(. /etc/os-release && echo "$PRETTY_NAME"), $(grep CapBnd /proc/self/status | tr -s '\t ' ' ')"

# --- who may call what
gives "zmcontrol refuses root" 255 'Run as the zimbra user!' $H/bin/zmcontrol status
gives "zmlocalconfig -e refuses root" 1 'root' $H/bin/zmlocalconfig -e smtp_notify=yes
gives "zmsetup.pl refuses zimbra" 1 'must be run as root' z "$H/libexec/zmsetup.pl -c /dev/null"
gives "zmcontrol without a command" 1 'Command in:' z zmcontrol
gives "zmcontrol -v" 0 '^Release \S+ \S+ FOSS edition\.' z 'zmcontrol -v'
gives "zmcontrol status" 0 "^Host \Q$host\E\n(\t[A-Za-z][\w-]*( webapp)?\s+Running\n)+\$" z 'zmcontrol status'
for s in ldap mailbox mta proxy "service webapp" zmconfigd; do
    gives "status line of $s" 0 "\n$(printf '\t%-20s %10s' "$s" Running)\n" z 'zmcontrol status'
done
check "history says configured" grep -q ': CONFIGURED END$' $H/.install_history
check "history says installed" grep -Eq ': INSTALLED zimbra-core[-_][0-9]' $H/.install_history

# --- pidfiles
pidfiles="ldap:$H/data/ldap/state/run/slapd.pid:zimbra mailbox:$H/log/zmmailboxd_manager.pid:root mailbox:$H/log/zmmailboxd_java.pid:zimbra
proxy:$H/log/nginx.pid:zimbra mta:$H/data/postfix/spool/pid/master.pid:root mta:$H/data/sasl2/state/saslauthd.pid:zimbra
zmconfigd:$H/log/zmconfigd.pid:zimbra memcached:$H/log/memcached.pid:zimbra"
for p in $pidfiles; do
    IFS=: read -r service file user <<< "$p"
    read -r pid < "$file" 2> /dev/null || pid=none
    if [ "$(ps -o user= -p "$pid" 2> /dev/null | tr -d ' ')" = "$user" ]; then ok "pidfile $file ($service, $user)"; else no "pidfile $file" "pid $pid"; fi
    parent=$(ps -o ppid= -p "$pid" 2> /dev/null | tr -d ' ')
    if [ "${file##*/}" = zmmailboxd_java.pid ]; then want=$(< $H/log/zmmailboxd_manager.pid); else want=1; fi
    if [ "$parent" = "$want" ]; then ok "parent of ${file##*/} is $want"; else no "parent of ${file##*/}" "$parent"; fi
done

# --- IMAP and POP
crt=$H/conf/nginx.crt
check  "143: STARTTLS, login, proxy's certificate" dialog 143 plain '<^\* OK' '>a STARTTLS' '<^a OK' '!' "?$crt" ">b LOGIN $admin \"$password\"" '<^b OK'
refuse "143: wrong password" dialog 143 plain '<^\* OK' '>a STARTTLS' '<^a OK' '!' ">b LOGIN $admin wrong" '<^b OK'
check  "143: wrong password says NO" dialog 143 plain '<^\* OK' '>a STARTTLS' '<^a OK' '!' ">b LOGIN $admin wrong" '<^b NO'
refuse "143: no login in the clear" dialog 143 plain '<^\* OK' ">b LOGIN $admin \"$password\"" '<^b OK'
check  "993: login" dialog 993 tls '<^\* OK' "?$crt" ">b LOGIN $admin \"$password\"" '<^b OK' '>c SELECT INBOX' '<^c OK'
check  "993: wrong password" dialog 993 tls '<^\* OK' ">b LOGIN $admin wrong" '<^b NO'
check  "993: unknown user" dialog 993 tls '<^\* OK' ">b LOGIN nobody@$domain wrong" '<^b NO'
check  "110: STLS, login" dialog 110 plain '<^\+OK' '>STLS' '<^\+OK' '!' ">USER $admin" '<^\+OK' ">PASS $password" '<^\+OK'
check  "995: login" dialog 995 tls '<^\+OK' "?$crt" ">USER $admin" '<^\+OK' ">PASS $password" '<^\+OK'
check  "995: wrong password" dialog 995 tls '<^\+OK' ">USER $admin" '<^\+OK' '>PASS wrong' '<^-ERR'
check  "7143: mailboxd itself" dialog 7143 plain '<^\* OK' ">b LOGIN $admin \"$password\"" '<^b OK'
check  "7993: mailboxd itself" dialog 7993 tls '<^\* OK' ">b LOGIN $admin \"$password\"" '<^b OK'

# --- SMTP
smtp=$H/conf/smtpd.crt
right=$(plain64 "$admin" "$password")
wrong=$(plain64 "$admin" wrong)
check  "587: AUTH PLAIN" dialog 587 plain '<^220' '>EHLO t' '<^250 ' '>STARTTLS' '<^220' '!' "?$smtp" '>EHLO t' '<^250 ' ">AUTH PLAIN $right" '<^235'
check  "587: wrong password" dialog 587 plain '<^220' '>EHLO t' '<^250 ' '>STARTTLS' '<^220' '!' '>EHLO t' '<^250 ' ">AUTH PLAIN $wrong" '<^535'
check  "465: AUTH PLAIN" dialog 465 tls '<^220' "?$smtp" '>EHLO t' '<^250 ' ">AUTH PLAIN $right" '<^235'
check  "465: wrong password" dialog 465 tls '<^220' '>EHLO t' '<^250 ' ">AUTH PLAIN $wrong" '<^535'
check  "25: STARTTLS, AUTH LOGIN" dialog 25 plain '<^220' '>EHLO t' '<^250 ' '>STARTTLS' '<^220' '!' '>EHLO t' '<^250 ' '>AUTH LOGIN' '<^334' \
    ">$(printf %s "$admin" | base64 -w0)" '<^334' ">$(printf %s "$password" | base64 -w0)" '<^235'
check  "25: no AUTH in the clear" dialog 25 plain '<^220' '>EHLO t' '<^250 ' ">AUTH PLAIN $right" '<^5\d\d'
check  "25: unknown recipient" dialog 25 plain '<^220' '>EHLO t' '<^250 ' '>MAIL FROM:<a@example.org>' '<^250' ">RCPT TO:<nobody@$domain>" '<^550 5.1.1'
check  "587: nothing without login" dialog 587 plain '<^220' '>EHLO t' '<^250 ' '>STARTTLS' '<^220' '!' '>EHLO t' '<^250 ' '>MAIL FROM:<a@example.org>' '<^250' ">RCPT TO:<$admin>" '<^[45]'
mark=selftest-$$-$RANDOM
check  "25: mail for $admin accepted" dialog 25 plain '<^220' '>EHLO t' '<^250 ' '>MAIL FROM:<a@example.org>' '<^250' ">RCPT TO:<$admin>" '<^250' '>DATA' '<^354' \
    ">Subject: $mark" '>From: a@example.org' '>' '>hello' '>.' '<^250'
arrived() {
    local i
    for ((i = 0; i < 40; i++)); do
        dialog 993 tls '<^\* OK' ">b LOGIN $admin \"$password\"" '<^b OK' '>c SELECT INBOX' '<^c OK' ">d SEARCH SUBJECT \"$mark\"" '<^\* SEARCH \d' && return 0
        sleep 0.5
    done
    return 1
}
check  "the mail is in the inbox" arrived
printf 'Subject: %s-b\n\nx\n' "$mark" | su - zimbra -c "$H/common/sbin/sendmail -f $admin postmaster" > /dev/null 2>&1
mark=$mark-b
check  "sendmail to an alias arrives" arrived

# --- web
check  "80: redirect to https" http 80 plain GET / '^Location: https://'
check  "443: login page" http 443 tls GET / 'Zimbra Web Client Sign In'
check  "443: login shows the inbox" http 443 tls POST / "$mark" "loginOp=login&username=$admin&password=$password"
check  "443: wrong password" http 443 tls POST / 'incorrect' "loginOp=login&username=$admin&password=wrong"
check  "8080: mailboxd itself" http 8080 plain GET / 'Sign In'
check  "8443: mailboxd itself" http 8443 tls GET / 'Sign In'
check  "7071: admin console" http 7071 tls GET /zimbraAdmin/ 'Zimbra Administration'
check  "7071: admin login" http 7071 tls POST /zimbraAdmin/ 'Release' "loginOp=login&username=$admin&password=$password"
check  "7071: wrong password" http 7071 tls POST /zimbraAdmin/ 'incorrect' "loginOp=login&username=$admin&password=wrong"
check  "9071: admin console by the proxy" http 9071 tls GET /zimbraAdmin/ 'Zimbra Administration'
check  "audit.log: failed web login" grep -Eq "WARN .* security - cmd=Auth; account=$admin; protocol=soap; error=authentication failed for \[$admin\], invalid password;" $H/log/audit.log
check  "audit.log: failed admin login" grep -Eq 'WARN .* security - cmd=AdminAuth; ' $H/log/audit.log
check  "audit.log: failed IMAP login" grep -Eq 'WARN .* security - cmd=Auth; account=[^;]*; protocol=imap; error=' $H/log/audit.log

# --- LDAP, zmprov, zmlocalconfig
local_domain_dn=dc=${domain//./,dc=}
check  "389: bind of the admin account" ldapwhoami -x -H "ldap://$host" -D "uid=${admin%@*},ou=people,$local_domain_dn" -w "$password"
refuse "389: wrong password" ldapwhoami -x -H "ldap://$host" -D "uid=${admin%@*},ou=people,$local_domain_dn" -w wrong
check  "389: StartTLS with conf/ca" env LDAPTLS_CACERT=$H/conf/ca/ca.pem LDAPTLS_REQCERT=demand ldapsearch -ZZ -x -H "ldap://$host" -b '' -s base
refuse "389: nothing to read without a login" ldapsearch -x -H "ldap://$host" -b cn=config,cn=zimbra -s base
gives  "zmlocalconfig" 0 "^zimbra_server_hostname = $host\n" z 'zmlocalconfig zimbra_server_hostname'
gives  "zmlocalconfig hides passwords" 0 '^zimbra_ldap_password = \*\n' z 'zmlocalconfig zimbra_ldap_password'
gives  "zmlocalconfig -m shell" 0 "^ldap_is_master='true';\n" z 'zmlocalconfig -m shell ldap_is_master'
gives  "zmlocalconfig -e and -u" 0 "^Lax\n" z "zmlocalconfig -e zimbra_same_site_cookie=Lax && zmlocalconfig -m nokey zimbra_same_site_cookie && zmlocalconfig -u zimbra_same_site_cookie"
gives  "zmprov gs" 0 "^# name $host\n(zimbraServiceEnabled: \S+\n)+\$" z "zmprov -l gs $host zimbraServiceEnabled"
gives  "zmprov gaa" 0 "^$admin\n" z 'zmprov -l gaa'
gives  "zmprov mcf, gcf" 0 "^zimbraMailTrustedIP: 127.0.0.1\nzimbraMailTrustedIP: 192.0.2.9\n\$" \
    z 'zmprov mcf zimbraMailTrustedIP 127.0.0.1 zimbraMailTrustedIP 192.0.2.9 && zmprov gcf zimbraMailTrustedIP && zmprov mcf zimbraMailTrustedIP ""'
gives  "zmprov: unset attribute prints nothing" 0 '^\n?$' z 'zmprov gcf zimbraMailTrustedIP'
gives  "zmprov: no such server" 2 'ERROR: account.NO_SUCH_SERVER \(no such server: x\)' z 'zmprov -l gs x'
gives  "zmprov: usage" 1 'usage:' z 'zmprov -l gs'
gives  "zmprov: invalid value" 2 'ERROR: account.INVALID_ATTR_VALUE' z 'zmprov -l mcf zimbraSmtpSendAddMailer maybe'
gives  "zmprov: safeguarded attribute" 2 'ERROR' z "zmprov -l ms $host zimbraServiceEnabled ldap"
gives  "zmprov batch: rc 0 without exit" 0 'prov> ERROR: account.NO_SUCH_DOMAIN' z "printf 'gd nowhere.example\n' | zmprov -l 2>&1"
gives  "zmprov batch: rc 2 with exit" 2 'prov> ' z "printf 'gd nowhere.example\nexit\n' | zmprov -l"
gives  "zmproxyctl reload" 0 'Reloading proxy...done.' z 'zmproxyctl reload'
check  "443 after the reload" http 443 tls GET / 'Sign In'
distro() { local s; for s in nginx dovecot postfix slapd saslauthd memcached; do /etc/init.d/$s stop || return 1; done; }
check  "the distribution's stop does nothing" distro
check  "993 still there" dialog 993 tls '<^\* OK'

leftovers() { pgrep -a -u zimbra,postfix .; pgrep -a -f '^/usr/lib/postfix|libexec/zmmailboxdmgr'; }

if [ "$quick" != --quick ]; then
    # --- death of each daemon
    for p in $pidfiles; do
        IFS=: read -r service file user <<< "$p"
        [ "${file##*/}" = zmmailboxd_java.pid ] && continue
        # What it leaves behind holds its ports or locks (nginx's workers outlive their master, as they do in
        # Zimbra, and the next start fails): ended here as a supervisor has to.
        read -r pid < "$file"
        workers=$(pgrep -P "$pid")
        kill -9 "$pid"
        sleep 0.5
        [ "${file##*/}" = zmmailboxd_manager.pid ] || [ -z "$workers" ] || echo "$workers" | xargs kill -9 2> /dev/null
        gives "status after the death of ${file##*/}" 1 "\n\t$service +Stopped\n" z 'zmcontrol status'
        gives "start brings $service back" 0 "Starting $service\.\.\.Done\." z 'zmcontrol start'
        gives "status is whole again" 0 "^Host \Q$host\E\n(\t[^\n]+ Running\n)+\$" z 'zmcontrol status'
    done
    old=$(< $H/log/zmmailboxd_java.pid)
    kill -9 "$old"
    for ((i = 0; i < 100; i++)); do
        sleep 0.1
        now=$(cat $H/log/zmmailboxd_java.pid 2> /dev/null)
        [ -n "$now" ] && [ "$now" != "$old" ] && nc -z localhost 7143 && break
    done
    check "mailboxd's manager starts a dead child again" dialog 993 tls '<^\* OK' ">b LOGIN $admin \"$password\"" '<^b OK'
    kill -9 "$(< $H/log/zmmailboxd_java.pid)"
    for ((i = 0; i < 100; i++)); do [ -e $H/log/zmmailboxd_manager.pid ] || break; sleep 0.1; done
    gives "a second death within a minute ends the manager" 1 '\n\tmailbox +Stopped\n\t\tzmmailboxdctl is not running\.\n' z 'zmcontrol status'
    gives "start after it" 0 'Starting mailbox\.\.\.Done\.' z 'zmcontrol start'

    # --- without LDAP
    gives "ldap stop" 0 'Killing slapd with pid \d+.* done\.' z 'ldap stop'
    gives "status from the cache" 1 'Connect: Unable to determine enabled services from ldap\.\nEnabled services read from cache\. Service list may be inaccurate\.\n' z 'zmcontrol status'
    gives "ldap start" 0 'Started slapd: pid \d+' z 'ldap start'

    # --- stop and start
    t=$(date +%s%N)
    gives "zmcontrol stop, ldap last" 0 '^Host .*\n\tStopping zmconfigd\.\.\.Done\.\n(.*\n)*\tStopping ldap\.\.\.Done\.\n$' z 'zmcontrol stop'
    echo "#     stop took $((($(date +%s%N) - t) / 1000000)) ms"
    left=$(leftovers)
    if [ -z "$left" ]; then ok "no process is left"; else no "no process is left" "$left"; fi
    gives "mailboxd stop when it is down" 0 'mailboxd is not running' z 'zmmailboxdctl stop'
    gives "zmprov without mailboxd" 2 'zclient.IO_ERROR' z 'zmprov gacf zimbraIPMode'
    t=$(date +%s%N)
    gives "zmcontrol start" 0 '^Host .*\n\tStarting ldap\.\.\.Done\.\n\tStarting zmconfigd\.\.\.Done\.\n' z 'zmcontrol start'
    echo "#     start took $((($(date +%s%N) - t) / 1000000)) ms"
    gives "zmcontrol start again changes nothing" 0 'Starting mailbox\.\.\.Done\.' z 'zmcontrol start'
    gives "zmcontrol restart" 0 'Stopping ldap\.\.\.Done\.\nHost .*\n\tStarting ldap' z 'zmcontrol restart'
    check "login after it" dialog 993 tls '<^\* OK' ">b LOGIN $admin \"$password\"" '<^b OK'
    check "SMTP login after it" dialog 465 tls '<^220' '>EHLO t' '<^250 ' ">AUTH PLAIN $right" '<^235'
fi

echo "# $good passed, $bad failed"
[ $bad -eq 0 ]
