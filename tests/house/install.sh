#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make install puts the promised files in place, and no others; uninstall takes them away.
. "$(dirname "$0")/../lib/tap.sh"

# The outer make's flags and job slots are not for this one.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
files() {
	(cd "$SCRATCH/root" && find . -type f | LC_ALL=C sort)
}
make_here() {
	make -C "$PREALLOCATE_BUILDDIR" "$1" DESTDIR="$SCRATCH/root" prefix=/p exec_prefix=/p \
		bindir=/p/bin libdir=/p/lib libexecdir=/p/libexec includedir=/p/include \
		datarootdir=/p/share datadir=/p/share mandir=/p/share/man
}

check "make install" make_here install
is "the installed files" "$(files)" "./p/bin/preallocate
./p/include/preallocate.h
./p/lib/libpreallocate.so
./p/lib/systemd/system/preallocate-recover@.service
./p/libexec/preallocate-guardian
./p/share/bash-completion/completions/preallocate
./p/share/man/man1/preallocate.1
./p/share/man/man5/preallocate.conf.5
./p/share/man/man7/libpreallocate.7"
needed=$(readelf -d "$SCRATCH/root/p/lib/libpreallocate.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
case $needed in
*asan* | *tsan* | *ubsan*) skip "the library needs libc alone" "built with a sanitizer" ;;
*) check_not "the library needs libc alone" grep -Ev '^(libc\.so\.6|ld-linux.*|)$' <<<"$needed" ;;
esac
check "make uninstall" make_here uninstall
is "no file is left" "$(files)" ""
done_testing
