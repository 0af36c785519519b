# SPDX-License-Identifier: BSD-2-Clause
# tests/machine.sh - for `make bench` and `make bench-copy`, which read it with `.`: name_machine prints one line.

first_of() {
	sed -n "s/^$1[[:space:]]*: *//p" /proc/cpuinfo | head -n 1
}

name_machine() {
	cpu=$(first_of 'model name')
	if [ -r /proc/device-tree/model ]; then
		board=$(tr -d '\000' </proc/device-tree/model)
		cpu=$board${cpu:+, $cpu}
	fi
	memory=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
	printf 'Machine: %s x %s, %s MiB, kernel %s %s; load %s.\n' "$(nproc)" "${cpu:-unknown CPU}" \
		"$((memory / 1024))" "$(uname -r)" "$(uname -m)" "$(cut -d ' ' -f 1-3 /proc/loadavg)"
}
