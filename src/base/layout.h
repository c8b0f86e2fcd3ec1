/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things lie in the library's file and memory. A page fault costs a process that starts more
 * than all the instructions that it runs here: what each one touches stands together.
 */
#ifndef BASE_LAYOUT_H
#define BASE_LAYOUT_H

/* A function that runs while each process starts: the linker puts it first. */
#define AT_START __attribute__((section(".text.startup")))

/* A string that such a function reads: beside what the loader has written to, not on a page of its own. */
#define START_STRING(string) \
	__extension__({ \
		static const char at_start_[] __attribute__((section(".data.rel.ro.start"))) = string; \
		at_start_; \
	})

/*
 * Large, zero and rarely used: behind the small variables, which share their page with .data then.
 * src/libc/Makemodule.am has the linker sort by name.
 */
#define FAR __attribute__((section(".bss.z")))

/* Between the two. */
#define NEAR __attribute__((section(".bss.a")))

#endif
