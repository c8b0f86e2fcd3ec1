# SPDX-License-Identifier: GPL-2.0-or-later
# The system calls behind the names in inject.txt and inject-guardian.txt, on x86-64, one a line.
BEGIN {
	# Where libc's name isn't the kernel's: "" for those that make none.
	split("fstat fstat,newfstatat;fstatat newfstatat;futimens utimensat;getrlimit prlimit64;" \
	      "poll poll,ppoll;pread pread64;pthread_sigmask rt_sigprocmask;recv recvfrom;" \
	      "sigpending rt_sigpending;sigtimedwait rt_sigtimedwait;malloc brk,mmap;" \
	      "posix_fadvise fadvise64;sigaction rt_sigaction;sysconf;" \
	      "clock_gettime;calloc;reallocarray;strdup;vasprintf;dladdr;dlopen;dlsym;fflush;fileno;free;getauxval;" \
	      "getenv;pthread_setcancelstate;pthread_setcanceltype;pthread_testcancel;sigaddset;sigemptyset;" \
	      "sigfillset;sigismember;snprintf;vsnprintf;strerrordesc_np", rows, ";")
	for (i in rows) {
		split(rows[i], row, " ")
		kernels[row[1]] = row[2]
	}
}
/^#/ || !NF || /^_/ { next }
{
	name = $1
	if (!sub(/^syscall:/, "", name)) {
		sub(/:.*/, "", name)
		if (name in kernels)
			name = kernels[name]
	}
	n = split(name, names, ",")
	for (i = 1; i <= n; i++)
		if (!seen[names[i]]++)
			print names[i]
}
