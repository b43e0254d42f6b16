# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of msb in bash; what fits is asked of msb itself.

_msb()
{
	local rest=$COMP_LINE word="" typed broken="" head mode skip path line
	local -a words=() lines found
	local i

	# Bash also breaks words at "=" and the like; msb does not.
	rest=${rest:0:COMP_POINT}
	for ((i = 0; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $i == 0 || $rest == [[:space:]]* ]]; then
			rest=${rest#"${rest%%[![:space:]]*}"}
			words+=("")
		fi
		((i < COMP_CWORD)) || word=$rest
		words[${#words[@]} - 1]+=$word
		rest=${rest#"$word"}
	done
	typed=${words[${#words[@]} - 1]}

	mapfile -t lines < <("${words[0]/#\~/$HOME}" __complete -- "${words[@]:1}" 2>/dev/null)
	((${#lines[@]})) || return
	read -r mode skip <<<"${lines[0]}"

	# What is in front of such a break is not ours to replace.
	for i in "=" ":" "@"; do
		[[ $COMP_WORDBREAKS != *"$i"* ]] || broken+=$i
	done
	head=""
	[[ -z $broken ]] || head=${typed%"${typed##*["$broken"]}"}

	for line in "${lines[@]:1}"; do
		word=${line%%$'\t'*}
		COMPREPLY+=("${word#"$head"}")
	done
	if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=:@/] ]]; then
		compopt -o nospace
	fi
	[[ $mode != none ]] || return 0

	path=${typed:skip}
	if [[ $mode == dirs ]]; then
		mapfile -t found < <(compgen -d -- "$path")
	else
		mapfile -t found < <(compgen -f -- "$path")
	fi
	((${#head} <= skip)) && head="" || head=${head:skip}
	if ((${#COMPREPLY[@]} == 0)); then
		compopt -o filenames
	fi
	for line in "${found[@]}"; do
		COMPREPLY+=("${line#"$head"}")
	done
}

complete -F _msb msb microsandbox
