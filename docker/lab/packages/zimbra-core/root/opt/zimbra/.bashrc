# .bashrc

alias rm='rm -i'
alias cp='cp -i'
alias mv='mv -i'

PATH=/opt/zimbra/bin:/opt/zimbra/common/bin:/opt/zimbra/common/sbin:/usr/sbin:${PATH}
export PATH

PERL5LIB=/opt/zimbra/common/lib/perl5
export PERL5LIB

ulimit -n 524288 > /dev/null 2>&1
umask 0027

unset DISPLAY
