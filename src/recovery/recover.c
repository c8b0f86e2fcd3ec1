/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "recovery/recover.h"

#include "base/sys.h"
#include "recovery/restore.h"
#include "recovery/search.h"

#include <errno.h>

/* Records that may be there: of the real size, and of the one before an extension was over. */
#define PLACES 2

int64_t recover_begin(const struct mark *mark)
{
	/* The mark of a cut names one end; one that names two was made up. */
	return mark->flags & MARK_SETTLED ? mark->data_end : mark->floor;
}

/*
 * A record tells of appends that may not have come to the disk as it has: then its last byte that isn't
 * zero is missing, and the program was never told that they are synced.
 */
static int64_t end_of_record(const struct record *record, int64_t used)
{
	if (record->nonzero_end > 0 && used < record->nonzero_end)
		return record->synced_end;
	/* Open since the last sync: what came after that may be there or not. Its block tells. */
	return record->open ? record->synced_end : record->end;
}

int64_t recover_end(const struct mark *mark, const struct recover_facts *facts, bool strip_zeros,
		    enum recover_source *source)
{
	int64_t end = recover_begin(mark), told = facts->used;
	bool doubt = mark->flags & MARK_DOUBTED;

	*source = RECOVER_BY_MARK;
	if (facts->has_record) {
		int64_t recorded = end_of_record(&facts->record, facts->used);

		if (recorded > end) {
			end = recorded;
			*source = RECOVER_BY_RECORD;
		}
		doubt |= facts->record.open;
		told = record_told_end(&facts->record, facts->used);
		/* Torn: what follows never came to its block, and was never synced. */
		if (told > facts->block_end)
			told = facts->block_end;
	}
	/* Where nothing was found, used isn't behind a byte. */
	if (facts->used > end) {
		end = told;
		*source = told > facts->used ? RECOVER_BY_RECORD : RECOVER_BY_DATA;
	}
	/*
	 * What the mark knew was in the page cache, and is there as far as blocks are written: the filesystem may have
	 * been shut down since, on a machine that runs on.
	 */
	if ((mark->flags & MARK_ZEROES) && mark->data_end > end && facts->block_end > end) {
		*source = RECOVER_BY_MARK;
		end = mark->data_end < facts->block_end ? mark->data_end : facts->block_end;
	}
	if (doubt && facts->block_end > end) {
		*source = strip_zeros ? RECOVER_BY_STRIP : RECOVER_BY_BLOCK;
		if (!strip_zeros)
			end = facts->block_end;
	}
	/* Somebody may have made up what it says. */
	return end > facts->size ? facts->size : end;
}

struct places {
	int64_t at[PLACES]; /* the higher one first; -1: none */
};

static int look_for_records(int fd, const struct mark *mark, struct recover_facts *facts,
			     struct places *places)
{
	int64_t begin = recover_begin(mark);
	const int64_t sizes[PLACES] = {facts->size, mark->size_before};

	for (int i = 0; i < PLACES; i++) {
		int64_t at = record_place(sizes[i]);
		struct record record;
		int found;

		places->at[i] = -1;
		if (at < begin || (i > 0 && at == places->at[0]))
			continue;
		found = record_read(fd, at, mark->key, mark->ino, &record);
		if (found < 0)
			return found;
		if (!found)
			continue;
		places->at[i] = at;
		/* Whoever was about to cut has gone by it. */
		if (mark->flags & MARK_SETTLED)
			continue;
		if (!facts->has_record || record.end > facts->record.end)
			facts->record = record;
		facts->has_record = true;
	}
	return 0;
}

/* In the pieces between the records, the last one first. */
static int search_pieces(struct search *search, const struct places *places, int64_t begin,
			 struct recover_facts *facts)
{
	int64_t to = facts->size;

	facts->used = begin;
	facts->block_end = -1;
	for (int i = 0; i <= PLACES; i++) {
		int64_t at = i < PLACES ? places->at[i] : -1;
		int64_t from = at < 0 ? begin : at + RECORD_BYTES;
		int64_t used, block_end;
		int ret;

		if (i < PLACES && at < 0)
			continue;
		ret = search_last(search, from < to ? from : to, to, &used, &block_end);
		if (ret < 0)
			return ret;
		if (facts->block_end < 0 && block_end > from)
			facts->block_end = block_end;
		if (used > from) {
			facts->used = used;
			break;
		}
		to = at;
	}
	if (facts->block_end < facts->used)
		facts->block_end = facts->used;
	return 0;
}

static int find_facts(int fd, const struct mark *mark, const struct recover_options *options,
		      struct recover_facts *facts, struct places *places)
{
	struct search search = {.fd = fd, .left = options->effort ? options->effort : RECOVER_EFFORT,
				.gives_way = options->gives_way, .context = options->context};
	int ret = look_for_records(fd, mark, facts, places);

	return ret < 0 ? ret : search_pieces(&search, places, recover_begin(mark), facts);
}

/* A record among bytes that somebody has written behind it: zeroes, as it was. */
static int clear_records(int fd, const struct places *places, int64_t end,
			 const struct recover_options *options)
{
	for (int i = 0; i < PLACES; i++) {
		int ret;

		if (places->at[i] < 0 || places->at[i] >= end)
			continue;
		ret = certainty_holds(options->certainty, fd) ? record_clear(fd, places->at[i]) : -ESTALE;
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int cut_marked(int fd, struct mark *mark, const struct stat *before, const struct places *places,
		      int64_t end, const struct recover_options *options)
{
	int ret = clear_records(fd, places, end, options);

	if (ret == 0)
		ret = mark_settle(fd, mark, end, before->st_size);
	if (ret == 0)
		ret = cut(options->certainty, fd, end);
	if (ret != -ESTALE)
		restore_mode(fd, before);
	return ret;
}

/* Somebody else may have the file: of what is behind its data nothing is ours for certain. */
static void leave(int fd, struct mark *was)
{
	was->flags = MARK_DOUBTED;
	mark_write(fd, was);
}

/* The mark goes last. */
static int obey(int fd, struct mark *mark, const struct stat *st,
		const struct recover_options *options, struct recovery *recovery)
{
	struct recover_facts facts = {.size = st->st_size};
	struct places places;
	struct mark was = *mark;
	int ret = find_facts(fd, mark, options, &facts, &places);

	if (ret < 0)
		return ret;
	/* An allocation that wasn't over was never written to: who did it has changed the file. */
	if (st->st_size < mark->file_end && facts.used > mark->size_before) {
		recovery->outcome = RECOVER_CHANGED;
		return 0;
	}
	recovery->size = recover_end(mark, &facts, options->strip_zeros, &recovery->source);
	recovery->outcome = recovery->size < st->st_size ? RECOVER_CUT : RECOVER_WHOLE;
	if (options->dry_run)
		return 0;
	ret = recovery->outcome == RECOVER_CUT ? cut_marked(fd, mark, st, &places, recovery->size, options)
					       : clear_records(fd, &places, st->st_size, options);
	if (ret == -ESTALE)
		leave(fd, &was);
	else
		restore_times(fd, st);
	return ret;
}

int recover_file(int fd, const struct recover_options *options, struct recovery *recovery)
{
	struct mark mark;
	struct stat st;
	int ret = mark_read(fd, &mark);

	if (sys.fstat(fd, &st) < 0)
		return -errno;
	*recovery = (struct recovery){.size_before = st.st_size, .size = st.st_size};
	if (ret == -ENODATA || ret == -EOPNOTSUPP)
		return 0;
	if (ret < 0 && ret != -EINVAL)
		return ret;
	if (ret == -EINVAL)
		recovery->outcome = RECOVER_CORRUPT;
	else if (mark.ino != st.st_ino)
		recovery->outcome = RECOVER_COPY;
	else if (!mark_agrees(&mark, fd, &st))
		recovery->outcome = RECOVER_CHANGED;
	else if ((ret = obey(fd, &mark, &st, options, recovery)) < 0)
		return ret;
	return options->dry_run ? 0 : mark_remove(fd);
}
