# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A control group for a program and whatever it starts, to be sourced after tap.sh.
#
#	new_group [TOP...]	$group is its directory; fails where none can be made
#	in_group command ...	becomes the command, inside it: `in_group ... &`
#	kill_group		SIGKILL to all in it at the same instant; returns when all are gone
#	freeze_group, thaw_group
#	group_is_empty
#
# Version 2 (cgroup.kill, cgroup.freeze), or else version 1's freezer: frozen, killed and thawed.

group=

remove_group() {
	[ -n "$group" ] || return 0
	kill_group
	wait_until 3 rmdir "$group" 2>/dev/null
	group=
}
at_exit remove_group

new_group() {
	local top

	[ $# -gt 0 ] || set -- /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/freezer
	for top; do
		[ -e "$top/cgroup.procs" ] || continue
		mkdir "$top/preallocate-test.$$" 2>/dev/null || continue
		group=$top/preallocate-test.$$
		[ ! -e "$group/cgroup.kill" ] && [ ! -e "$group/freezer.state" ] || return 0
		remove_group
	done
	return 1
}

in_group() {
	echo "$BASHPID" >"$group/cgroup.procs" || exit 99
	exec "$@"
}

group_is_empty() {
	[ -z "$(cat "$group/cgroup.procs")" ]
}

is_frozen() {
	if [ -e "$group/cgroup.freeze" ]; then
		grep -qx 'frozen 1' "$group/cgroup.events"
	else
		grep -qx FROZEN "$group/freezer.state"
	fi
}

freeze_group() {
	if [ -e "$group/cgroup.freeze" ]; then
		echo 1 >"$group/cgroup.freeze"
	else
		echo FROZEN >"$group/freezer.state"
	fi
	wait_until 10 is_frozen
}

thaw_group() {
	if [ -e "$group/cgroup.freeze" ]; then
		echo 0 >"$group/cgroup.freeze"
	else
		echo THAWED >"$group/freezer.state"
	fi
}

kill_group() {
	local pids

	if [ -e "$group/cgroup.kill" ]; then
		echo 1 >"$group/cgroup.kill"
	else
		freeze_group
		mapfile -t pids <"$group/cgroup.procs"
		[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
		thaw_group
	fi
	wait_until 10 group_is_empty
}
