#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No warning from shellcheck about any script of the tree.
. "$(dirname "$0")/../lib/tap.sh"
need shellcheck

cd "$PREALLOCATE_SRCDIR" || exit
for script in bootstrap .ci/run scripts/* completions/* tests/*/*.sh; do
	[ -f "$script" ] && check "$script" shellcheck --severity=warning -- "$script"
done
done_testing
