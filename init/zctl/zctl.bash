# bash completion for zctl(8)
_zctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-} words=
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		words='status stages config firewall ban unban bans log shell exec health reload stop version help'
	else
		case $command in
		status | stages | bans | reload | version) words='--json' ;;
		firewall) words='rules --json' ;;
		ban) ((COMP_CWORD == 3)) && words='3600 86400 forever' ;;
		unban) words="$(zctl bans --json 2>/dev/null | grep -o '"address":"[0-9a-f.:/]*"' | cut -d'"' -f4)" ;;
		config) words="--json $(zctl config --json 2>/dev/null | grep -o '"name": *"[A-Z0-9_]*"' | cut -d'"' -f4)" ;;
		log) words='--follow --lines --json' ;;
		health) words='--live --ready --startup --json' ;;
		stop) words='--wait --json' ;;
		shell) words='root zimbra' ;;
		exec) ((COMP_CWORD == 2)) && words='--user --' ;;
		help) words='status stages config firewall ban unban bans log shell exec health reload stop version' ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _zctl zctl
