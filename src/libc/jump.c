/* SPDX-License-Identifier: GPL-2.0-or-later */
/* longjmp(3) in all its names. */
#include "libc/export.h"

#define JUMP(name) \
	EXPORT void name(struct __jmp_buf_tag environment[1], int value) \
	{ \
		files_before_jump(); \
		REAL(name)(environment, value); \
		__builtin_unreachable(); \
	}

JUMP(longjmp)
JUMP(_longjmp)
JUMP(siglongjmp)
JUMP(__longjmp_chk)
