/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "command/bench.h"
#include "command/command.h"
#include "command/json.h"

/* https://no-color.org */
static bool may_emphasize(void)
{
	const char *no_color = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color) && terminal && *terminal &&
	       strcmp(terminal, "dumb");
}

/* A rate of a slow disk has few digits. */
static void print_rate(double rate)
{
	printf("%9.*f", rate < 100 ? 1 : 0, rate);
}

static void print_row(const struct bench *bench, int size, bool emphasize)
{
	const struct bench_cell *cells = bench->cells[size];
	double highest = 1;

	for (enum bench_way way = BENCH_KEEP; way < BENCH_WAYS; way++) {
		if (cells[way].ratio > highest)
			highest = cells[way].ratio;
	}
	printf("%-6s", bench_record_names[size]);
	print_rate(cells[BENCH_PLAIN].rate);
	for (enum bench_way way = BENCH_KEEP; way < BENCH_WAYS; way++) {
		bool bold = emphasize && cells[way].ratio >= highest;

		fputs(bold ? "\033[1m" : "", stdout);
		print_rate(cells[way].rate);
		printf(" %6.2fx", cells[way].ratio);
		fputs(bold ? "\033[m" : "", stdout);
	}
	putchar('\n');
}

static void print_remarks(const struct bench *bench)
{
	static const enum bench_way extending[] = { BENCH_ZERO, BENCH_WRITE, BENCH_AUTO };
	const char *before = "The file wasn't extended in mode ";

	for (size_t i = 0; i < sizeof(extending) / sizeof(extending[0]); i++) {
		if (bench_was_applied(bench, extending[i]))
			continue;
		printf("%s%s", before, bench_way_names[extending[i]]);
		before = ", ";
	}
	if (*before == ',')
		puts("; preallocate match tells why.\n");
	if (bench->best == BENCH_WRITE || bench->best == BENCH_AUTO)
		puts("The files are open for reading, too: one that is opened for writing only, as most logs are, gains\n"
		     "what zero does, in modes write and auto as well.\n");
	if (bench->in_memory)
		printf("%s is memory: a sync costs nothing there that could be saved.\n\n",
		       bench->filesystem);
	else if (bench->in_doubt)
		puts("The rounds differ much, something else keeps this machine busy: measure again when it\n"
		     "is quiet, or with --seconds=120.\n");
}

static void rule_text(const struct bench *bench, char *text, size_t size)
{
	snprintf(text, size, "*.log mode=%s", bench_way_names[bench->best]);
}

void bench_print(const struct bench *bench)
{
	struct utsname kernel = { 0 };
	bool emphasize = may_emphasize();
	char rule[32];

	uname(&kernel);
	printf("%s, %s %s: records per second, each with fdatasync; medians of %d, and times plain\n\n",
	       bench->filesystem, kernel.sysname, kernel.release, BENCH_ROUNDS);
	printf("record%9s", bench_way_names[BENCH_PLAIN]);
	for (enum bench_way way = BENCH_KEEP; way < BENCH_WAYS; way++)
		printf("%9s%8s", bench_way_names[way], "");
	putchar('\n');
	for (int size = 0; size < BENCH_SIZES; size++)
		print_row(bench, size, emphasize);
	putchar('\n');
	print_remarks(bench);
	if (bench->best == BENCH_PLAIN) {
		puts("nothing gains here: no rule");
		return;
	}
	rule_text(bench, rule, sizeof(rule));
	printf("the rule for such files here: %s\n", rule);
}

static void print_cell_json(const struct bench *bench, int size, enum bench_way way)
{
	const struct bench_cell *cell = &bench->cells[size][way];

	json_object_begin();
	json_number("record_bytes", bench_record_bytes[size]);
	json_string("mode", bench_way_names[way]);
	json_decimal("records_per_second", cell->rate);
	json_decimal("times_plain", cell->ratio);
	json_decimals("rounds", cell->rounds, BENCH_ROUNDS);
	json_number("extended_bytes", cell->extended_bytes);
	json_number("kept_bytes", cell->kept_bytes);
	json_object_end();
}

/* Without a rule, "rule" is left out. */
void bench_print_json(const struct bench *bench)
{
	struct utsname kernel = { 0 };
	char rule[32];

	uname(&kernel);
	json_single_begin();
	json_string("directory", bench->directory);
	json_string("filesystem", bench->filesystem);
	json_string("system", kernel.sysname);
	json_string("kernel", kernel.release);
	json_string("machine", kernel.machine);
	json_string("version", PACKAGE_VERSION);
	json_decimal("seconds_per_round", bench->seconds);
	json_list_begin("results");
	for (int size = 0; size < BENCH_SIZES; size++) {
		for (enum bench_way way = BENCH_PLAIN; way < BENCH_WAYS; way++)
			print_cell_json(bench, size, way);
	}
	json_list_end();
	json_bool("in_doubt", bench->in_doubt);
	json_bool("gains", bench->best != BENCH_PLAIN);
	if (bench->best != BENCH_PLAIN) {
		rule_text(bench, rule, sizeof(rule));
		json_string("mode", bench_way_names[bench->best]);
		json_string("rule", rule);
	}
	json_single_end();
}
