/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every name that the library exports, and every number that syscall(2) treats, with arguments that the kernel
 * refuses: pointers to nothing, into a page that ends, counts and offsets out of all bounds, descriptors of all
 * kinds. What comes of it, an error or a signal, is what comes of it without the library.
 *
 *	pointers		the transcript
 *	pointers --names	the names that are called in it, and those that are left out on purpose
 *	pointers NAME...	these alone
 */
#include "pointers.h"

#include <dlfcn.h>
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define MOST_ARGUMENTS 6

static const char other[] = "900-other", unmanaged_name[] = "901-unmanaged",
		  second_name[] = "902-unmanaged", ordinary_name[] = "903-ordinary.dat";

/* The descriptors of a child. */
static int extended, ordinary, unmanaged, second, directory, path_only, read_only;

/* Ends where a page ends that nothing follows. */
char *pointers_room;
static char *room_end;
static struct iovec *list;

/* The values that an argument takes in turn; the first is one that the kernel likes. */
struct values {
	long value[16];
	int count;
};

static void add(struct values *values, long value)
{
	values->value[values->count++] = value;
}

static void add_pointers(struct values *values, const void *good)
{
	add(values, (long)good);
	add(values, -1);
	add(values, 0);
	add(values, (long)(room_end - 1));
	add(values, (long)(room_end - 8));
	add(values, (long)(room_end - 24));
	add(values, (long)room_end);
	add(values, LONG_MIN >> 16); /* the kernel's */
}

/* of: the letter of an argument (pointers.h). */
static void values_of(char of, struct values *values)
{
	values->count = 0;
	switch (of) {
	case 'f':
		add(values, extended);
		add(values, ordinary);
		add(values, unmanaged);
		add(values, read_only);
		add(values, path_only);
		add(values, directory);
		add(values, -1);
		add(values, 700);
		break;
	case 'g':
		add(values, second);
		add(values, ordinary);
		add(values, -1);
		break;
	case 'd':
		add(values, AT_FDCWD);
		add(values, extended);
		add(values, -1);
		break;
	case 'p':
		add_pointers(values, pointers_room);
		break;
	case 'v':
		add_pointers(values, list);
		for (int i = 2; i < 12; i += 2)
			add(values, (long)(list + i));
		break;
	case 's':
		add_pointers(values, file);
		add(values, (long)"");
		break;
	case 't':
		add_pointers(values, other);
		break;
	case 'm':
		add_pointers(values, "r+");
		break;
	case 'w':
		add_pointers(values, "user.x");
		break;
	case 'n':
		add(values, 100);
		add(values, 0);
		add(values, -1);
		add(values, LONG_MAX);
		add(values, POINTERS_ROOM + 1);
		break;
	case 'c':
		add(values, 2);
		add(values, 0);
		add(values, -1);
		add(values, INT_MIN);
		add(values, INT_MAX);
		add(values, IOV_MAX + 1);
		break;
	case 'o':
		add(values, 500);
		add(values, -1);
		add(values, -2);
		add(values, LONG_MIN);
		add(values, LONG_MAX);
		add(values, LONG_MAX - 50);
		break;
	case 'l':
		add(values, 0);
		add(values, -1);
		add(values, 0x40000000);
		add(values, 1);
		break;
	default:
		errx(99, "no argument %c", of);
	}
}

static void fill_list(void)
{
	static char good[64] = "abcdefghijklmnopqrstuvwxyz";
	const struct iovec pairs[][2] = {
		{{good, 10}, {good + 10, 16}},
		{{(void *)-1, 10}, {good, 3}},
		{{good, 3}, {(void *)-1, 10}},
		{{good, 3}, {NULL, 0}},
		{{good, SIZE_MAX}, {good, 3}},
		{{good, 3}, {room_end - 4, 10}},
	};

	memcpy(list, pairs, sizeof(pairs));
}

static void map_room(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, (size_t)(POINTERS_ROOM + 2 * page), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + POINTERS_ROOM + page, (size_t)page, PROT_NONE) < 0)
		err(99, "mmap");
	pointers_room = map + page;
	room_end = pointers_room + POINTERS_ROOM;
	list = (struct iovec *)map;
	fill_list();
}

static int start_of(const char *name, int flags)
{
	char bytes[START_BYTES];
	int fd = open(name, flags | O_CREAT | O_TRUNC, 0640);

	fill(bytes, sizeof(bytes), 5);
	if (fd < 0 || write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		err(99, "%s", name);
	return fd;
}

static void open_all(void)
{
	close(start_of(ordinary_name, O_RDWR));
	extended = start_of(file, O_RDWR);
	unmanaged = start_of(unmanaged_name, O_RDWR);
	second = start_of(second_name, O_RDWR);
	ordinary = open(ordinary_name, O_RDWR);
	directory = open(".", O_RDONLY | O_DIRECTORY);
	path_only = open(file, O_PATH);
	read_only = open(file, O_RDONLY);
	lseek(ordinary, 0, SEEK_END);
}

/* One call: of a name, with what each of its arguments is at this turn. */
struct turn {
	const struct pointers_row *row;
	const char *name;
	bool brief;  /* another name of the same */
	long number; /* of SYS_name, or -1 */
	long (*call)(long, ...);
	int fd_at, fd_value; /* the descriptor's kind */
	int at, value;	     /* this argument hasn't its first value, but this one */
};

static void append_to_extended(void)
{
	char bytes[4096];

	fill(bytes, sizeof(bytes), 9);
	lseek(extended, 0, SEEK_END);
	if (write(extended, bytes, sizeof(bytes)) != sizeof(bytes))
		err(99, "write");
	lseek(extended, 600, SEEK_SET);
}

static void tell(const struct turn *turn, long result, int error)
{
	int shown = turn->row->kind;

	if (shown != 'L' && shown != 'P')
		result = (int)result;
	/* errno is of those that fail. */
	if (result != -1 && !(shown == 'P' && result == 0))
		error = 0;
	if (shown == 'M')
		result = 0;
	if (shown == 'P' || (shown == 'F' && (int)result >= 0))
		result = result != 0;
	say("%s %d %d %d %d: %ld %s\n", turn->name, turn->fd_at, turn->fd_value, turn->at, turn->value,
	    result, error ? strerrorname_np(error) : "");
}

static void make(const struct turn *turn)
{
	const char *letters = turn->row->arguments;
	const long *constant = turn->row->constants;
	long a[MOST_ARGUMENTS] = {0}, result;
	struct values values;

	for (int i = 0; letters[i]; i++) {
		if (letters[i] == 'k') {
			a[i] = *constant++;
			continue;
		}
		values_of(letters[i], &values);
		a[i] = values.value[i == turn->at ? turn->value : i == turn->fd_at ? turn->fd_value : 0];
	}
	append_to_extended();
	memset(pointers_room, 0, POINTERS_ROOM);
	fill_list();
	errno = 0;
	result = turn->number >= 0
			 ? syscall(turn->number, a[0], a[1], a[2], a[3], a[4], a[5])
			 : turn->call(a[0], a[1], a[2], a[3], a[4], a[5]);
	tell(turn, result, errno);
	if (turn->row->kind == 'F' && (int)result > 2)
		close((int)result);
	unlink(other);
}

/* How many values the argument takes; 0: it is none that is varied. */
static int values_at(const struct turn *turn, int at)
{
	struct values values;

	if (at < 0 || turn->row->arguments[at] == 'k')
		return 0;
	values_of(turn->row->arguments[at], &values);
	return turn->brief && values.count > 2 ? 2 : values.count;
}

/* Counted in shared memory: a child that ends by one is followed by another, from the next on. */
static void take(struct turn *turn, _Atomic int *done, int *count)
{
	if ((*count)++ < *done)
		return;
	*done = *count;
	make(turn);
}

/* Each kind of descriptor, with each value of each other argument. */
static void run(struct turn *turn, _Atomic int *done)
{
	const char *letters = turn->row->arguments, *fd = strchr(letters, 'f');
	int count = 0, kinds;

	turn->fd_at = fd ? (int)(fd - letters) : -1;
	kinds = fd ? values_at(turn, turn->fd_at) : 1;
	for (turn->fd_value = 0; turn->fd_value < kinds; turn->fd_value++) {
		turn->at = -1;
		turn->value = 0;
		if (!turn->row->never_good)
			take(turn, done, &count);
		for (turn->at = 0; letters[turn->at]; turn->at++)
			for (turn->value = 1; turn->at != turn->fd_at && turn->value < values_at(turn, turn->at);
			     turn->value++)
				take(turn, done, &count);
	}
	state(extended);
}

static void in_child(const struct pointers_row *row, const char *name, bool brief, _Atomic int *done)
{
	struct turn turn = {.row = row, .name = name, .brief = brief, .number = row->number};
	void *call = row->number < 0 ? dlsym(RTLD_DEFAULT, name) : NULL;

	open_all();
	if (row->test) {
		*done = INT_MAX;
		row->test(call, extended);
	} else {
		*(void **)&turn.call = call;
		run(&turn, done);
	}
	*done = INT_MAX;
	_exit(0);
}

static void all_turns(const struct pointers_row *row, const char *name, bool brief)
{
	static _Atomic int *done;

	if (!done)
		done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	section(name);
	*done = 0;
	while (*done != INT_MAX) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			in_child(row, name, brief, done);
		if (waitpid(pid, &status, 0) != pid)
			err(99, "waitpid");
		if (WIFEXITED(status) && WEXITSTATUS(status) >= 98)
			_exit(WEXITSTATUS(status));
		if (status != 0)
			say("%s: turn %d: status %x\n", name, *done, (unsigned int)status);
	}
}

static bool is_there(const char *name)
{
	static const char *const libraries[] = {"libc.so.6", "libaio.so.1", "libaio.so.1t64", "liburing.so.2"};

	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		void *library = dlopen(libraries[i], RTLD_NOW | RTLD_GLOBAL);

		if (library && dlsym(library, name))
			return true;
	}
	return false;
}

static bool is_chosen(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc < 2;
}

static void each_name(const struct pointers_row *row, int argc, char **argv, bool only_names)
{
	char names[512], *rest = names, *name;

	snprintf(names, sizeof(names), "%s", row->names);
	while ((name = strsep(&rest, " ")))
		if (only_names)
			puts(name);
		else if (is_chosen(name, argc, argv) && (row->number >= 0 || is_there(name)))
			all_turns(row, name, name != names);
}

void transcript(int argc, char **argv)
{
	bool only_names = argc > 1 && strcmp(argv[1], "--names") == 0;

	map_room();
	for (const struct pointers_row *row = pointers_rows; row->names; row++)
		each_name(row, argc, argv, only_names);
	if (only_names)
		for (const char *const *left = pointers_left_out; *left; left++)
			puts(*left);
}
