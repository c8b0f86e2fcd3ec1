#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# git, tar, rsync and cp over a tree of thousands of files, each of them managed: the same trees.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/filesystems.sh"
. "$(dirname "$0")/../lib/run.sh"
. "$(dirname "$0")/common.sh"

need git rsync tar awk
FILES=${PREALLOCATE_TEST_FILES:-3000}
# More than the small files take: the large ones shall be extended, the disk not filled.
run_options+=(--prealloc-size 1M --prealloc-align 64k)

# The same tree at every call: names, sizes from nothing to a few blocks, some larger, times.
cat >"$SCRATCH/make-tree.awk" <<'END_OF_AWK'
BEGIN {
	srand(11)
	for (i = 0; i < files; i++) {
		directory = "tree/" i % 7 "/" i % 41
		if (!(directory in made)) {
			system("mkdir -p " directory)
			made[directory] = 1
		}
		name = directory "/file " i ".txt"
		lines = int(rand() ^ 6 * 4000)
		printf "" >name
		for (line = 0; line < lines; line++)
			print "line " line " of file " i " says " int(rand() * 1e6) >name
		close(name)
	}
}
END_OF_AWK

make_tree() { # DIRECTORY
	(cd "$1" && awk -v files="$FILES" -f "$SCRATCH/make-tree.awk" &&
		ln -s 0 tree/symlink && ln "tree/1/1/file 1.txt" tree/hardlink &&
		find tree -type f -print0 | xargs -0 touch -d '2020-02-02 02:02:02 UTC' &&
		chmod 4755 "tree/2/2/file 2.txt")
}

cat >"$SCRATCH/copies.sh" <<END_OF_SHELL
set -e
cp -a "$SCRATCH/origin/tree" cp
tar -C "$SCRATCH/origin" -cf tree.tar tree
mkdir tar rsync; tar -C tar -xpf tree.tar
rsync -aH "$SCRATCH/origin/tree/" rsync/
find rsync -name '*7.txt' -exec sh -c 'for f; do seq 100 >>"\$f"; done' sh {} +
rsync -aHc --inplace --no-whole-file "$SCRATCH/origin/tree/" rsync/
for way in cp tar/tree rsync; do
	(cd \$way; find . -type f -printf '%P %s %m %T@ %n\n' | LC_ALL=C sort | sha256sum)
done
END_OF_SHELL

# Everything that git writes is decided by these: objects, packs, refs, index (its times aside).
cat >"$SCRATCH/history.sh" <<END_OF_SHELL
set -e
export GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=c \
	GIT_COMMITTER_EMAIL=c@d GIT_AUTHOR_DATE='1580608922 +0000' GIT_COMMITTER_DATE='1580608922 +0000'
git -c init.defaultBranch=main init -q origin
cd origin
git config gc.auto 0; git config pack.threads 1
cp -a "$SCRATCH/origin/tree/1" .
git add -A; git commit -qm first
for i in 1 2 3 4 5; do
	find . -name "*\$i.txt" -not -path './.git/*' -exec sh -c 'for f; do echo more >>"\$f"; done' sh {} +
	git commit -qam "change \$i"
done
cd ..
git clone -q --no-local -c pack.threads=1 origin clone
git clone -q --bare origin bare.git
# The address would be that of the directory.
git -C bare.git remote set-url origin ../origin
cd clone
git remote set-url origin ../origin
git fsck --full --strict
git branch side HEAD~2; git checkout -q side; echo side >side; git add side; git commit -qm side
git merge -q -m merge origin/main
git gc -q --aggressive --prune=now; git fsck --full --strict
git push -q origin side
git repack -qadf --threads=1; git fsck --full; git status --porcelain
git log --all --format='%H %T %s'; git count-objects -v | grep -v size
git bundle create -q ../all.bundle --all; git bundle verify -q ../all.bundle
cd ..
git -C bare.git fsck --full
# The index records times and inodes, the log of packs too.
find . -name index -delete
git -C clone archive HEAD | tar -t | wc -l
END_OF_SHELL

trees() {
	mkdir -p "$SCRATCH/origin"
	[ -d "$SCRATCH/origin/tree" ] || make_tree "$SCRATCH/origin"
	differential_used "$1: cp, tar, rsync of $FILES files" '**' bash "$SCRATCH/copies.sh"
	differential_used "$1: git" '**' bash "$SCRATCH/history.sh"
}

rotate "ext4:zero tmpfs:keep" trees
done_testing
