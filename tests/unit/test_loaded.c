/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What dlsym says is right: for this program alone, and with a library preloaded behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libc/loaded.h"
#include "libc/real.h"

#define X(name) #name "\0"
static const char names[] = REAL_CALLS(X);
#undef X

#define COUNT (sizeof(struct real) / sizeof(void *))

static void compare(const char *list, size_t count, size_t *found)
{
	void *symbols[count];

	*found = 0;
	loaded_next_symbols(list, count, symbols);
	for (size_t i = 0; i < count; i++, list += strlen(list) + 1) {
		if (symbols[i] && symbols[i] != dlsym(RTLD_NEXT, list))
			fail_msg("%s: %p, but dlsym says %p", list, symbols[i],
				 dlsym(RTLD_NEXT, list));
		*found += symbols[i] != NULL;
	}
}

/* Those that libc lacks (fstat before 2.33) have to be asked for one by one. */
static void every_interposed_symbol(void **state)
{
	size_t found;

	(void)state;
	compare(names, COUNT, &found);
	assert_in_range(found, COUNT - 10, COUNT);
}

/* Of two versions the one that is linked against today; an indirect function only dlsym calls. */
static void versions_and_types(void **state)
{
	static const char list[] = "posix_spawn\0fopen\0pthread_cond_wait\0realpath\0nftw\0dlsym";
	static const char not_ours[] = "memcpy\0strlen\0errno\0no_such_symbol_anywhere\0errno_of_nobody";
	void *symbols[5];
	size_t found;

	(void)state;
	compare(list, 6, &found);
	assert_int_equal(found, 6);
	compare(not_ours, 5, &found);
	loaded_next_symbols(not_ours, 5, symbols);
	assert_null(symbols[2]);
	assert_null(symbols[3]);
	assert_null(symbols[4]);
}

/* An indirect function's address would be that of its chooser. */
static void indirect_functions_are_left_to_dlsym(void **state)
{
	void *symbols[1];

	(void)state;
	loaded_next_symbols("memcpy", 1, symbols);
	if (symbols[0])
		assert_ptr_equal(symbols[0], dlsym(RTLD_NEXT, "memcpy"));
}

static void a_list_under_change_is_not_read(void **state)
{
	void *symbols[1];

	(void)state;
	_r_debug.r_state = RT_ADD;
	loaded_next_symbols("read", 1, symbols);
	_r_debug.r_state = RT_CONSISTENT;
	assert_null(symbols[0]);
	loaded_next_symbols("read", 1, symbols);
	assert_non_null(symbols[0]);
}

static void our_own_path(void **state)
{
	(void)state;
	/* The loader knows the program by no name. */
	assert_string_equal(loaded_path(), "");
}

/* Every interposed symbol is that library's, then. */
static void behind_a_preloaded_library(void **state)
{
	const char *build = getenv("PREALLOCATE_BUILDDIR");
	char *command;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	print_message("a sanitizer's library has to be loaded before all others\n");
	skip();
#endif
	assert_non_null(build);
	assert_true(asprintf(&command, "LD_PRELOAD='%s/.libs/libpreallocate.so' /proc/%d/exe preloaded",
			     build, getpid()) > 0);
	assert_int_equal(system(command), 0);
	free(command);
}

static int compare_preloaded(void)
{
	Dl_info info;
	void *ours[1];

	loaded_next_symbols("read", 1, ours);
	if (!dladdr(ours[0], &info) || !strstr(info.dli_fname, "libpreallocate.so")) {
		printf("# read is not the library's\n");
		return 1;
	}
	every_interposed_symbol(NULL);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_interposed_symbol),
		cmocka_unit_test(versions_and_types),
		cmocka_unit_test(indirect_functions_are_left_to_dlsym),
		cmocka_unit_test(a_list_under_change_is_not_read),
		cmocka_unit_test(our_own_path),
		cmocka_unit_test(behind_a_preloaded_library),
	};

	if (argc == 2 && strcmp(argv[1], "preloaded") == 0)
		return compare_preloaded();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
