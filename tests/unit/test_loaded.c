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

static size_t compare(const char *list, size_t count)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++, list += strlen(list) + 1) {
		void *symbol = loaded_next_symbol(list);

		if (symbol && symbol != dlsym(RTLD_NEXT, list))
			fail_msg("%s: %p, but dlsym says %p", list, symbol, dlsym(RTLD_NEXT, list));
		found += symbol != NULL;
	}
	return found;
}

/* Those that libc lacks (fstat before 2.33) have to be asked for one by one. */
static void every_interposed_symbol(void **state)
{
	(void)state;
	assert_in_range(compare(names, COUNT), COUNT - 10, COUNT);
}

/* Of two versions the one that is linked against today; an indirect function only dlsym calls. */
static void versions_and_types(void **state)
{
	static const char list[] = "posix_spawn\0fopen\0pthread_cond_wait\0realpath\0nftw\0dlsym";

	(void)state;
	assert_int_equal(compare(list, 6), 6);
	assert_null(loaded_next_symbol("errno"));
	assert_null(loaded_next_symbol("no_such_symbol_anywhere"));
	assert_null(loaded_next_symbol(""));
}

/* An indirect function's address would be that of its chooser. */
static void indirect_functions_are_left_to_dlsym(void **state)
{
	void *symbol = loaded_next_symbol("memcpy");

	(void)state;
	if (symbol)
		assert_ptr_equal(symbol, dlsym(RTLD_NEXT, "memcpy"));
}

/* cmocka's library stays behind us, too, but not what is loaded behind libc: that may go again. */
static void only_what_stays(void **state)
{
	void *library = dlopen("libresolv.so.2", RTLD_NOW | RTLD_GLOBAL);

	(void)state;
	assert_non_null(library);
	assert_non_null(dlsym(library, "ns_initparse"));
	assert_null(loaded_next_symbol("ns_initparse"));
	assert_non_null(loaded_next_symbol("_cmocka_run_group_tests"));
	dlclose(library);
}

static void a_list_under_change_is_not_read(void **state)
{
	(void)state;
	_r_debug.r_state = RT_ADD;
	assert_false(loaded_start());
	_r_debug.r_state = RT_CONSISTENT;
	assert_true(loaded_start());
}

/* What is called is up to it. */
static void an_auditor_is_not_passed_by(void **state)
{
	(void)state;
	_r_debug.r_version++;
	assert_false(loaded_start());
	_r_debug.r_version--;
	assert_int_equal(setenv("LD_AUDIT", "", 1), 0);
	assert_false(loaded_start());
	assert_int_equal(unsetenv("LD_AUDIT"), 0);
	assert_true(loaded_start());
}

static void our_own_path(void **state)
{
	(void)state;
	/* The loader knows the program by no name. */
	assert_string_equal(loaded_path(), "");
}

/* This program's own answer, with a library of the build preloaded behind it. */
static int ask_behind(const char *library, const char *question)
{
	const char *build = getenv("PREALLOCATE_BUILDDIR");
	char *path, *command;
	int status;

	assert_non_null(build);
	assert_true(asprintf(&path, "%s/%s", build, library) > 0);
	if (access(path, R_OK) != 0) {
		print_message("a build with a sanitizer has no %s\n", library);
		free(path);
		skip();
	}
	assert_true(asprintf(&command, "LD_PRELOAD='%s' /proc/%d/exe %s", path, getpid(), question) > 0);
	status = system(command);
	free(command);
	free(path);
	return status;
}

/* Every interposed symbol is that library's, then. */
static void behind_a_preloaded_library(void **state)
{
	(void)state;
	assert_int_equal(ask_behind(".libs/libpreallocate.so", "preloaded"), 0);
}

/* Nothing is found past a library that has no such table as we read. */
static void behind_one_that_is_linked_the_old_way(void **state)
{
	(void)state;
	assert_int_equal(ask_behind("tests/lib/.libs/nofile.so", "old"), 0);
}

static int compare_preloaded(void)
{
	Dl_info info;

	if (!dladdr(loaded_next_symbol("read"), &info) || !strstr(info.dli_fname, "libpreallocate.so")) {
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
		cmocka_unit_test(only_what_stays),
		cmocka_unit_test(a_list_under_change_is_not_read),
		cmocka_unit_test(an_auditor_is_not_passed_by),
		cmocka_unit_test(our_own_path),
		cmocka_unit_test(behind_a_preloaded_library),
		cmocka_unit_test(behind_one_that_is_linked_the_old_way),
	};

	if (argc == 2 && strcmp(argv[1], "old") == 0)
		return loaded_start();
	if (!loaded_start())
		return 1;
	if (argc == 2 && strcmp(argv[1], "preloaded") == 0)
		return compare_preloaded();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
