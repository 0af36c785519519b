# SPDX-License-Identifier: BSD-2-Clause
#
# Completion of `lumaringd` in bash: options and their values. What options there are the program itself says, at each
# TAB: `lumaringd --help`. Needs bash 4.2 and nothing else.

# "  --io auto|uring|epoll   event loop" into takes[--io]="auto|uring|epoll", "" where it takes none.
_lumaringd_read_options() {
	local line part names argument
	while IFS= read -r line; do
		line=${line#"${line%%[! ]*}"}
		[[ $line == --* ]] || continue
		names=() argument=
		for part in ${line%%  *}; do
			[[ $part == -* ]] || { argument=$part && break; }
			part=${part%,}
			names+=("${part%%[[=]*}")
		done
		for part in "${names[@]}"; do
			takes[$part]=$argument
		done
	done
}

_lumaringd_reply() {
	mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
}

_lumaringd_reply_files() {
	compopt -o filenames 2>/dev/null
	_lumaringd_reply "$1"
}

# Those that have a file of settings.
_lumaringd_cameras() {
	local path
	for path in "${LUMARING_CONFIG_DIR:-/etc/lumaring}"/*.json; do
		[[ ! -f $path ]] || basename "$path" .json
	done
}

_lumaringd_reply_value() {
	case $option in
	--camera) _lumaringd_reply -W "$(_lumaringd_cameras)" ;;
	--group | --control-group) _lumaringd_reply -g ;;
	--source)
		compopt -o nospace 2>/dev/null
		_lumaringd_reply -W 'libcamera libcamera: synthetic replay: raw:' ;;
	--bench-camera) _lumaringd_reply -W "$(compgen -G '/dev/video*')" ;;
	*)
		case ${takes[$option]-} in
		*'|'*) _lumaringd_reply -W "${takes[$option]//|/ }" ;;
		DIR) _lumaringd_reply_files -d ;;
		FILE) _lumaringd_reply_files -f ;;
		esac
		;;
	esac
}

# bash has made words of their own of "=" and of ":", which footage is named after.
_lumaringd() {
	local program=${1/#\~\//$HOME/} current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} option=
	local -A takes=()
	COMPREPLY=()
	_lumaringd_read_options < <("$program" --help 2>/dev/null)
	if [[ $before == : || $current == : ]]; then
		[[ $current != : ]] || current=
		_lumaringd_reply_files -f
	elif [[ $current == = ]]; then
		option=$before current=
		_lumaringd_reply_value
	elif [[ $before == = ]] && ((COMP_CWORD > 2)); then
		option=${COMP_WORDS[COMP_CWORD - 2]}
		_lumaringd_reply_value
	elif [[ ${takes[$before]-} ]]; then
		option=$before
		_lumaringd_reply_value
	else
		_lumaringd_reply -W "${!takes[*]}"
	fi
}

complete -F _lumaringd lumaringd
