/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls by the bare instruction: no preload sees them. */
#ifndef TESTS_PRELOAD_BARE_H
#define TESTS_PRELOAD_BARE_H

#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long bare_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long fourth __asm__("r10") = d;
	register long fifth __asm__("r8") = e;
	register long sixth __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long bare_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "the system call instruction of this machine"
#endif

#define BARE(number, a, b, c, d) \
	bare_call((number), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#endif
