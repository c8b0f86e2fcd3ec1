#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# No report from a sanitizer about the unit tests. The whole of it: scripts/sanitize.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/sanitized.sh"

sanitized gcc address,undefined
done_testing
