#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cp -p, tar and rsync -a keep times, modes, owners and attributes, and copy every byte.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"

need rsync tar setfattr

# Times here aren't compared by order alone: copies must have the originals'.
cat >"$SCRATCH/copy.sh" <<'EOF_BASH'
umask 022
mkdir tree tree/deep
seq 1 20000 >tree/numbers
head -c 1234567 /dev/zero | tr '\0' z >tree/deep/big
head -c 4096 /dev/zero >tree/zeroes
: >tree/empty
truncate -s 3M tree/sparse; echo end >>tree/sparse
cp /bin/true tree/suid; chmod 4755 tree/suid; cp /bin/true tree/sgid; chmod 2711 tree/sgid
[ "$(id -u)" -ne 0 ] || { chown 1234:5678 tree/deep/big; chmod 6755 tree/sgid; }
setfattr -n user.colour -v blue tree/numbers; setfattr -n user.empty tree/empty
ln -s numbers tree/symlink; ln tree/numbers tree/hardlink; chmod 600 tree/zeroes
n=0; find tree | LC_ALL=C sort | while read -r name; do
	n=$((n + 1)); touch -h -d "2001-01-01 00:00:00.$((n * 7))3 UTC" "$name"
done
cp -p tree/numbers tree/suid .
cp -a tree cp
tar --xattrs --xattrs-include='*' -cf tree.tar tree
mkdir tar; tar --xattrs --xattrs-include='*' -C tar -xpf tree.tar
tar -czf tree.tar.gz tree; mkdir gz; tar -C gz -xzpf tree.tar.gz
rsync -aXH tree/ rsync/
echo changed >>tree/numbers; head -c 500000 /dev/zero | tr '\0' y >>tree/deep/big
rsync -aXH tree/ rsync/
rsync -aXH --inplace --no-whole-file tree/ inplace/
echo changed again >>tree/numbers
rsync -aXH --inplace --no-whole-file tree/ inplace/
rsync -a --append tree/ appended/; echo more >>tree/numbers; rsync -a --append tree/ appended/
rsync -a --preallocate tree/ preallocated/
install -m 4711 tree/numbers installed
gzip -k tree/numbers; gzip -t tree/numbers.gz; gunzip -c tree/numbers.gz | cmp - tree/numbers
touch -r tree/suid tree/numbers.gz
find tree cp tar gz rsync inplace appended preallocated numbers suid \
	! -type d -printf '%p %y %m %U:%G %s %n ' \
	\( -newermt 2002-01-01 -printf 'now\n' -o -printf '%T@\n' \) | LC_ALL=C sort
rm tree.tar tree.tar.gz tree/numbers.gz
EOF_BASH

archives() {
	differential "$1: cp, tar, rsync, install, gzip" '*' bash "$SCRATCH/copy.sh"
}

for_each_filesystem archives
done_testing
