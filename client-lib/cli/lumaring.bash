# SPDX-License-Identifier: BSD-2-Clause
#
# Completion of `lumaring` in bash: verbs, their options, and values: cameras that are served, their streams, formats,
# files. What verbs and options there are the program itself says, at each TAB: `lumaring --help`, `lumaring help VERB`.
# Needs bash 4.2 and nothing else. Nobody is waited for: a daemon that does not answer within a second has no streams.

# From a help on standard input into takes[OPTION]=ARGUMENT, "" where it takes none: "  -n, --count N   stop after N".
_lumaring_read_options() {
	local line part names argument
	while IFS= read -r line; do
		line=${line#"${line%%[! ]*}"}
		[[ $line == -* ]] || continue
		names=() argument=
		for part in ${line%%  *}; do
			[[ $part == -* ]] || { argument=$part && break; }
			names+=("${part%,}")
		done
		for part in "${names[@]}"; do
			takes[$part]=$argument
		done
	done
}

_lumaring_verbs() {
	"$tool" --help 2>/dev/null | sed -n '/^Verbs:/,/^$/s/^  \([a-z][a-z-]*\).*/\1/p'
}

# The options of a verb; before there is one, of all: they may stand on both sides of it. `bench` has its own.
_lumaring_load() {
	local verb
	takes=()
	if [[ $1 ]]; then
		_lumaring_read_options < <("$tool" help "$1" 2>/dev/null)
		return
	fi
	for verb in $(_lumaring_verbs); do
		case $verb in
		bench | help) ;;
		*) _lumaring_read_options < <("$tool" help "$verb" 2>/dev/null) ;;
		esac
	done
}

# The words before the cursor into operands and given[OPTION]=VALUE. bash has made three words of "--camera=cam0".
_lumaring_read_words() {
	local i word
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word != -* ]]; then
			operands+=("$word")
			((${#operands[@]} > 1)) || _lumaring_load "$word"
		elif [[ ${takes[$word]-} ]]; then
			[[ ${COMP_WORDS[i + 1]} != = ]] || i=$((i + 1))
			i=$((i + 1))
			((i >= COMP_CWORD)) || given[$word]=${COMP_WORDS[i]/#\~\//$HOME/}
		fi
	done
}

# The option whose value is being written, in `option`.
_lumaring_read_option() {
	local before=${COMP_WORDS[COMP_CWORD - 1]}
	if [[ $current == = ]]; then
		option=$before current=
	elif [[ $before == = ]] && ((COMP_CWORD > 2)); then
		option=${COMP_WORDS[COMP_CWORD - 2]}
	elif [[ ${takes[$before]-} ]]; then
		option=$before
	fi
}

_lumaring_cameras() {
	local directory path
	for directory in "${given[--runtime-dir]:-${LUMARING_RUNTIME_DIR:-/run/lumaring}}" \
		"${XDG_RUNTIME_DIR:-/run/nowhere}/lumaring"; do
		for path in "$directory"/*/frames; do
			[[ ! -S $path ]] || printf '%s\n' "$(basename "${path%/frames}")"
		done
	done
}

# A verb that only looks, on the camera that is meant.
_lumaring_ask() {
	local name where=()
	for name in --camera --runtime-dir; do
		[[ ! ${given[$name]-} ]] || where+=("$name" "${given[$name]}")
	done
	"$tool" "$@" "${where[@]}" --wait 0 --timeout 1 2>/dev/null
}

_lumaring_streams() {
	_lumaring_ask get streams | sed -n '2,$s/^\([a-z0-9_-]*\) .*/\1/p'
}

_lumaring_pixel_formats() {
	_lumaring_ask capabilities --json | grep -o '"pixel_formats":\[[^]]*\]' | grep -o '"[A-Z][A-Z0-9_]*"' | tr -d '"' | sort -u
}

_lumaring_methods() {
	_lumaring_ask call org.varlink.service.GetInterfaceDescription '{"interface":"io.lumaring.Camera"}' |
		grep -o 'method [A-Za-z]*' | cut -d ' ' -f 2
}

_lumaring_reply() {
	mapfile -t COMPREPLY < <(compgen "$@" -- "$current")
}

_lumaring_reply_files() {
	compopt -o filenames 2>/dev/null
	_lumaring_reply "$1"
}

# What an argument of this name may be: as the help has it, such as "png|pgm", NAME, FILE.png.
_lumaring_reply_value() {
	case $1 in
	*'|'*) _lumaring_reply -W "${1//|/ }" ;;
	DIR) _lumaring_reply_files -d ;;
	FILE* | DEVICE) _lumaring_reply_files -f ;;
	STREAM) _lumaring_reply -W "$(_lumaring_streams)" ;;
	METHOD) _lumaring_reply -W "$(_lumaring_methods)" ;;
	VERB) _lumaring_reply -W "$(_lumaring_verbs)" ;;
	WHAT) _lumaring_reply -W "configuration size width height pixel-format framerate streams controls shutter gain
		auto-exposure ev brightness contrast sharpness scaler-crop-x scaler-crop-y scaler-crop-width scaler-crop-height" ;;
	esac
}

_lumaring_reply_option_value() {
	case $option in
	--camera) _lumaring_reply -W "$(_lumaring_cameras)" ;;
	--stream) _lumaring_reply -W "$(_lumaring_streams)" ;;
	--pixel-format) _lumaring_reply -W "$(_lumaring_pixel_formats)" ;;
	*) _lumaring_reply_value "${takes[$option]-}" ;;
	esac
}

# The n-th word after the verb, as the line "Usage: lumaring VERB WORD... [OPTION]..." has it.
_lumaring_reply_operand() {
	local usage words
	case "${operands[*]}" in
	help) _lumaring_reply_value VERB && return ;;
	'streams remove') _lumaring_reply_value STREAM && return ;;
	esac
	usage=$("$tool" help "${operands[0]}" 2>/dev/null | sed -n 's/^Usage: lumaring [a-z-]* //p')
	usage=${usage%'[OPTION]...'}
	read -ra words <<<"${usage//[][]/}"
	_lumaring_reply_value "${words[${#operands[@]} - 1]-}"
}

_lumaring() {
	local tool=${1/#\~\//$HOME/} current=${COMP_WORDS[COMP_CWORD]} option= operands=()
	local -A takes=() given=()
	COMPREPLY=()
	[[ ${COMP_WORDS[1]} != -* ]] || _lumaring_load ''
	_lumaring_read_words
	_lumaring_read_option
	if [[ $option ]]; then
		_lumaring_reply_option_value
	elif [[ $current == -* ]]; then
		_lumaring_reply -W "${!takes[*]}"
	elif ((${#operands[@]} == 0)); then
		_lumaring_reply -W "$(_lumaring_verbs)"
	else
		_lumaring_reply_operand
	fi
}

complete -F _lumaring lumaring
