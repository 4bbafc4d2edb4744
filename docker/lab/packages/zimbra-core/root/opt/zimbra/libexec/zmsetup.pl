#!/usr/bin/perl
# zmsetup.pl [-c FILE]: configures the installed packages. Every step is
# recorded in /opt/zimbra/.install_history and can be done again; a run that was
# killed is taken up where it stopped. Exits 0 although a step may have printed
# "failed.", as Zimbra's does.

use strict;
use warnings;
use lib '/opt/zimbra/common/lib/perl5';
use Getopt::Std;
use POSIX ();
use Zimbra::Lab qw(lc_all lc_write run slurp);
use Zimbra::Lab::Setup;
use Zimbra::Lab::Setup::Steps;

$| = 1;
umask 0022;
$ENV{PATH} = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
$ENV{LC_ALL} = 'C';

usage() if $> != 0;
my %opt;
getopts('c:hd', \%opt) or usage();
usage() if $opt{h};
chdir '/' or die "chdir /: $!\n";

my $s = Zimbra::Lab::Setup->new(debug => $opt{d});
$s->progress("Operations logged to $s->{logfile}\n");
my $lc = '/opt/zimbra/conf/localconfig.xml';
if (-e $lc && ((getpwuid((stat $lc)[4]))[0] // '') ne 'zimbra') {
    $s->progress("\n\nERROR\n\n$lc is not owned by zimbra\nThis will cause installation failure.\n");
    exit 1;
}
$s->read_history;
if (!$s->{installed}{'zimbra-core'}) {
    $s->progress("\nERROR:\nzimbra-core does not seem to be installed.\nPlease install required components first. Exiting.\n\n");
    exit 1;
}
$s->set_defaults;
$s->check_ports;
if ($opt{c}) { $s->load_config($opt{c}) }
else         { $s->ask_config }
$s->complete_config;
$s->save_config;
$s->progress("Operations logged to $s->{logfile}\n");

$s->history('CONFIG SESSION START');
$s->done('BEGIN');
Zimbra::Lab::Setup::Steps::apply($s);
$s->done('END');
$s->history('CONFIG SESSION COMPLETE');

$s->progress("\n\n");
$s->keep_log;
$s->progress("\n\n");
if (!$opt{c}) { $s->ask('Configuration complete - press return to exit', '') }
exit 0;

sub usage {
    print STDERR "Warning: $0 must be run as root!\n\n" if $> != 0;
    print STDERR "Usage: $0 [-h] [-c <config file>]\n\t-h: display this help message\n\t-c: configure with values in <config file>\n\n";
    exit 1;
}
