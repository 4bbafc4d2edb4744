# .bash_profile
umask 0027

if [ -f ~/.bashrc ]; then
        . ~/.bashrc
fi

export USERNAME="zimbra"
export LANG=C
export LC_ALL=C
