#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# systemd takes the unit template as it is, and lets recovery make every system call that it needs.
. "$(dirname "$0")/../lib/tap.sh"
need systemd-analyze
[ -e "$PREALLOCATE_BUILDDIR/systemd/preallocate-recover@.service" ] ||
	skip_all "configured without the unit template"

unit=$SCRATCH/preallocate-recover@.service
sed "s|^ExecStart=[^ ]*/preallocate |ExecStart=$PREALLOCATE_BUILDDIR/preallocate |" \
	"$PREALLOCATE_BUILDDIR/systemd/preallocate-recover@.service" >"$unit"
check 'it starts the command' grep -qx "ExecStart=$PREALLOCATE_BUILDDIR/preallocate recover .*" "$unit"
is 'systemd-analyze verify' "$(systemd-analyze verify --man=no "$unit" 2>&1)
exit status $?" '
exit status 0'

# What one run of it asks of the kernel, against the filter.
calls() {
	mkdir -p "$SCRATCH/tree"
	printf '1\n' >"$SCRATCH/tree/a"
	setfattr -n user.preallocate -v x "$SCRATCH/tree/a" || return
	printf '%s/tree/* mode=zero\n' "$SCRATCH" >"$SCRATCH/config"
	strace -f -qq -o "$SCRATCH/trace" "$PREALLOCATE_BUILDDIR/preallocate" recover \
		--config="$SCRATCH/config" >/dev/null || return
	# After the exec: what systemd does before that isn't filtered.
	sed -E 's/^[0-9]+ +//; s/\(.*//; /^[a-z0-9_]+$/!d' "$SCRATCH/trace" | sort -u \
		>"$SCRATCH/calls"
	grep -qx fremovexattr "$SCRATCH/calls"
}
is_allowed() {
	local denied=0 call

	systemd-analyze syscall-filter | awk '
		/^@/ { set = $1; next }
		{ print set, $1 }' >"$SCRATCH/sets"
	expand_set "$(sed -n 's/^SystemCallFilter=//p' "$unit")" >"$SCRATCH/allowed"
	while read -r call; do
		grep -qx "$call" "$SCRATCH/allowed" || {
			echo "denied: $call"
			denied=1
		}
	done <"$SCRATCH/calls"
	return $denied
}
expand_set() {
	local name

	while read -r name; do
		case $name in
		@*) expand_set "$name" ;;
		*) echo "$name" ;;
		esac
	done < <(awk -v set="$1" '$1 == set { print $2 }' "$SCRATCH/sets")
}
if command -v strace >/dev/null && command -v setfattr >/dev/null && calls; then
	check "no system call is denied" is_allowed
else
	skip 'no system call is denied' 'needs strace, setfattr and a filesystem with attributes'
fi
done_testing
