/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How an append gets on with everybody else who may touch the file at any step: another thread's append (SECOND), a
 * signal handler above it that appends, too (HANDLER), who asks for the size (TELLER), the guardian, a neighbour who
 * opens the file and appends (NEIGHBOURS), a stop of a thread (STOP: SIGSTOP, a debugger, a freezer) and the program's
 * death (KILL). A file is a row of cells; an append writes its own number into one, so that one that is lost, doubled
 * or overwritten can be told, and a zero that nobody wrote. All appends are write(2) with O_APPEND.
 *
 * Beside the steps stands the code that they pair with. What the kernel does in one go, under the lock of the inode or
 * of the offset (vfs_write with f_pos, lseek, ftruncate), is one step. Memory is sequentially consistent.
 *
 * Properties:
 *	kept	what an append has returned for is in the file, once
 *	true	no cell below the size that a neighbour's open returns to is empty, nor is one when all is over
 *	told	the size that the program is told was true at some moment of the call
 *	ended	nobody waits for ever (spin's own check of end states; not of a program that was killed)
 *
 * LEAVE_OUT names a step to be left out: model.sh shows that a property falls without it.
 */
#ifndef LEAVE_OUT
#define LEAVE_OUT 0
#endif
#define NO_LOOK_UNDER_GATE (LEAVE_OUT == 1)
#define NO_LOOK_UNDER_LOCK (LEAVE_OUT == 2)
#define NO_LOOK_AFTER_ANNOUNCING (LEAVE_OUT == 3)
#define NO_CATCH_UP (LEAVE_OUT == 4)
#define NO_MENDING (LEAVE_OUT == 5)
#define NO_LOOK_BEHIND_CUT (LEAVE_OUT == 6)
#define EXTENDS_WHILE_ROBBED (LEAVE_OUT == 7)
#define NO_LEASE (LEAVE_OUT == 8)
#define NO_SEQUENCE (LEAVE_OUT == 9)
#define NO_OUTRUN (LEAVE_OUT == 10)

#define CELLS 10
#define AHEAD 3 /* allocated at once */
#ifndef EXTENSIONS
#define EXTENSIONS 2 /* at most */
#endif

#define NOBODY 0
#define GUARDIAN 3
#define NEIGHBOUR 9
#define ORDINARY 255 /* of data_end: the file isn't extended */
#define ALL 254

/* The file, and the program's one open file description of it. */
byte cell[CELLS];
byte size, offset;
bool o_append = true, leased, opened;

/* struct claim_slot */
byte data_end = ORDINARY, lock, robbed, robbed_end, intent_start, intent_end, sequence;
bool suspended, wanted, intent;

/* struct description */
byte in_gate;
bool gate_closed, at_end, outrun;

mtype = {NONE, TAKE, EXTEND};
mtype question = NONE;

byte extensions;
bool returned[6];
byte begun, ended;   /* appends, the neighbour's too */
byte running;	     /* threads that have not ended, and the neighbour */
bool stopped[4];     /* by thread */
bool dead;
bool in_handler;     /* the first thread waits for it */
bool first_in_gate;  /* a handler of its passes the gate */
bool first_is_deaf;  /* signals are blocked */
bool challenged;     /* somebody waits in an open(2) */

#define RUNS (!dead && !stopped[me] && (handles || me != 1 || !in_handler))

inline kernel_write(id) {
	at = (o_append -> size : offset);
	assert(at < CELLS && cell[at] == 0);
	cell[at] = id;
	offset = at + 1;
	size = (offset > size -> offset : size);
	at = 0
}

/* filter_wrote: unknown stays unknown. */
inline raise_data_end(to) {
	if
	:: data_end != ORDINARY && data_end < to -> data_end = to
	:: else
	fi
}

inline is_kept(id) {
	at = 0;
	n = 0;
	do
	:: at < size -> n = n + (cell[at] == (id) -> 1 : 0); at++
	:: else -> break
	od;
	assert(n == 1);
	at = 0;
	n = 0
}

/* By who opens it now. */
inline content_is_true() {
	at = 0;
	do
	:: at < size -> assert(cell[at] != 0); at++
	:: else -> break
	od;
	who = 1;
	do
	:: who < 6 ->
		if
		:: returned[who] -> is_kept(who)
		:: else
		fi;
		who++
	:: else -> break
	od;
	at = 0;
	who = 0
}

/*
 * files_write -> write_managed (src/files/write.c), once for each id from first to last. handles: in a signal handler
 * of thread `me`.
 */
proctype appender(byte me, id, last; bool handles) {
	byte at, n, start, end;

again:	/* --- */
	atomic {
		if
		:: id > last -> goto over
		:: RUNS && id <= last && !handles -> begun++
		:: RUNS && id <= last && handles && !first_is_deaf && !in_handler -> in_handler = true; begun++
		fi
	};
managed:
	if
	:: RUNS && data_end == ORDINARY
	:: RUNS && data_end != ORDINARY -> goto extended
	fi;

	/* write_plain: engage_is_due, engage_take */
	if
	:: atomic {
		RUNS && extensions < EXTENSIONS && !gate_closed && in_gate == 0 &&
		!(handles && first_in_gate) && (robbed == 0 || EXTENDS_WHILE_ROBBED) ->
		gate_closed = true;
		first_is_deaf = (me == 1 -> true : first_is_deaf)
	   };
	   /* claim_take; owner_suspend_all */
	   if
	   :: atomic {
		RUNS && question == NONE ->
		suspended = (lock == me -> true : suspended);
		question = TAKE;
		at_end = false
	      }
	   fi;
	   atomic {
		RUNS && question == NONE ->
		suspended = (lock == me -> false : suspended);
		gate_closed = false;
		first_is_deaf = (me == 1 -> false : first_is_deaf)
	   };
	   goto managed
	:: RUNS
	fi;
	/* gate_enter */
	if
	:: atomic { RUNS && !gate_closed && !(handles && first_in_gate) ->
		in_gate++;
		first_in_gate = (me == 1 && !handles -> true : first_in_gate)
	   };
	   n = 1
	:: RUNS && handles && first_in_gate
	fi;
	if
	:: RUNS && (data_end == ORDINARY || NO_LOOK_UNDER_GATE) ->
		atomic { RUNS -> kernel_write(id) }
	:: RUNS && data_end != ORDINARY && !NO_LOOK_UNDER_GATE ->
		end = ALL /* not written */
	fi;
	/* gate_leave */
	atomic {
		RUNS ->
		in_gate = in_gate - n;
		n = 0;
		first_in_gate = (me == 1 && !handles -> false : first_in_gate)
	};
	if
	:: end == ALL -> end = 0; goto managed
	:: else -> end = 0; goto done
	fi;

extended: /* write_extended: slot_lock */
	if
	:: atomic { RUNS && lock == NOBODY && !wanted -> lock = me }
	:: RUNS && handles && lock == me -> goto within
	fi;
	if
	:: RUNS && (data_end != ORDINARY || NO_LOOK_UNDER_LOCK)
	:: atomic {
		RUNS && data_end == ORDINARY && !NO_LOOK_UNDER_LOCK ->
		robbed = (lock == me -> robbed : robbed - 1);
		suspended = (lock == me -> false : suspended);
		lock = (lock == me -> NOBODY : lock)
	   };
	   goto managed
	fi;
place:	/* place_take: judge, find_place */
	atomic { RUNS -> outrun = false; start = data_end };
	if
	:: RUNS && start != ORDINARY && start + 1 <= size
	/* Settled by who took the lock over */
	:: RUNS && start == ORDINARY -> goto lost
	/* BEHIND: engage_extend, without the lock */
	:: atomic {
		RUNS && start != ORDINARY && start + 1 > size ->
		robbed = (lock == me -> robbed : robbed - 1);
		suspended = (lock == me -> false : suspended);
		lock = (lock == me -> NOBODY : lock)
	   };
	   if
	   :: atomic { RUNS && question == NONE -> question = EXTEND; first_is_deaf = (me == 1 -> true : first_is_deaf) }
	   :: RUNS && data_end == ORDINARY -> goto managed
	   fi;
	   atomic { RUNS && question == NONE -> first_is_deaf = (me == 1 -> false : first_is_deaf) };
	   goto managed
	fi;
	/* go_to_end: lseek */
	if
	:: RUNS && at_end
	:: atomic { RUNS && !at_end -> offset = start };
	   atomic { RUNS -> at_end = (data_end == start) }
	fi;
	/* slot_announce; then: is the lock still ours, has a handler appended since? */
	atomic { RUNS -> intent_start = start; intent_end = start + 1 };
	atomic { RUNS -> intent = true };
	if
	:: RUNS && lock != me && !NO_LOOK_AFTER_ANNOUNCING -> goto lost
	:: RUNS && (lock == me || NO_LOOK_AFTER_ANNOUNCING) && outrun && !NO_OUTRUN ->
		atomic { RUNS -> outrun = false; at_end = false; intent = false };
		atomic { RUNS -> offset = (data_end == ORDINARY -> offset : data_end); at_end = false };
		goto place
	:: RUNS && (lock == me || NO_LOOK_AFTER_ANNOUNCING) && (!outrun || NO_OUTRUN)
	fi;
	/* write_in_place */
	atomic { RUNS -> kernel_write(id); end = start + 1 };
	/* note_written: read back */
	atomic { RUNS -> end = offset };
	atomic { RUNS -> raise_data_end(end) };
	atomic { RUNS -> intent = false };
	/* slot_let_go */
	if
	:: atomic { RUNS && lock == me -> lock = NOBODY; suspended = false };
	   end = 0;
	   goto done
	:: RUNS && lock != me
	fi;
	/* mend_robbed: when it is settled, once more what the cut has taken away */
	if
	:: RUNS && data_end == ORDINARY && robbed_end < end && !NO_MENDING ->
		atomic { RUNS -> kernel_write(id) }
	:: RUNS && data_end == ORDINARY && (robbed_end >= end || NO_MENDING)
	fi;
	atomic { RUNS -> robbed--; end = 0 };
	goto done;

lost:	/* mend_await */
	atomic { RUNS -> intent = false; at_end = false };
	atomic { RUNS && data_end == ORDINARY -> robbed-- };
	goto managed;

within:	/* write_nested: end_of_outer */
	atomic {
		RUNS ->
		start = data_end;
		end = (intent && data_end != ORDINARY && offset > data_end -> offset : data_end)
	};
	if
	:: atomic { RUNS && start != ORDINARY && (!at_end || end > start) -> offset = end }
	:: RUNS && (start == ORDINARY || (at_end && end <= start))
	fi;
	atomic { RUNS -> kernel_write(id) };
	atomic { RUNS -> end = offset };
	atomic { RUNS -> raise_data_end(end) };
	atomic { RUNS -> outrun = (intent -> outrun : true); end = 0 };

done:	atomic {
		RUNS ->
		returned[id] = true;
		ended++;
		is_kept(id);
		in_handler = (handles -> false : in_handler);
		id++
	};
	goto again;
over:
	running--
}

/* fstat(2): files_stat (src/files/size.c). */
proctype teller(byte me; bool handles) {
	byte least, seen, told;

	atomic { RUNS -> least = ended };
look:	atomic { RUNS && (sequence % 2 == 0 || NO_SEQUENCE) -> seen = sequence };
	atomic { RUNS -> told = data_end };
	if
	:: RUNS && told == ORDINARY -> told = size
	:: RUNS && told != ORDINARY -> goto answer
	fi;
	if
	:: RUNS && sequence != seen && !NO_SEQUENCE -> goto look
	:: RUNS && (sequence == seen || NO_SEQUENCE)
	fi;
answer:
	atomic { assert(least <= told && told <= begun); least = 0; told = 0; seen = 0 };
	running--
}

/* Opens it, which breaks the lease and waits, reads it, appends, and closes it. */
proctype neighbour() {
	byte at, n, who;

	challenged = true;
	atomic {
		!leased || NO_LEASE ->
		opened = true;
		challenged = false;
		content_is_true()
	};
	atomic {
		begun++;
		assert(size < CELLS && cell[size] == 0);
		cell[size] = NEIGHBOUR;
		size++;
		ended++
	};
	opened = false;
	running--
}

#ifdef STOP
proctype stop(byte thread) {
	stopped[thread] = true;
	stopped[thread] = false
}
#endif
#ifdef KILL
proctype kill() {
	dead = true
}
#endif

/* --- the guardian: claims_take, claims_change, owner_lock_slot, claimed_extend, claimed_settle --- */
proctype guardian() {
	byte at, n, who, used, write_offset, write_end, wrote;
	bool counts, grows;

end:	/* asked; or challenged, idle, the program has ended */
	if
	:: question == EXTEND && data_end == ORDINARY -> question = NONE; goto end
	:: question == TAKE && (data_end != ORDINARY || leased) -> question = NONE; goto end
	/* F_SETLEASE: nobody else has it open */
	:: question == TAKE && data_end == ORDINARY && !leased ->
		atomic { leased = !opened; grows = leased };
		if
		:: grows
		:: else -> question = NONE; goto end
		fi
	:: question == EXTEND && data_end != ORDINARY -> grows = true
	:: leased && data_end != ORDINARY && (challenged || dead || running == 0) -> grows = false
	:: atomic {
		(running == 0 || dead) && question == NONE && !leased && !challenged && !opened ->
		content_is_true();
		assert(dead || size == ended);
		goto over
	   }
	:: dead && question != NONE -> question = NONE; goto end
	fi;

	/* owner_lock_slot */
	if
	:: atomic { lock == NOBODY -> lock = GUARDIAN }
	:: lock != NOBODY ->
		wanted = true;
		if
		:: atomic { lock == NOBODY -> lock = GUARDIAN }
		:: atomic {
			lock != NOBODY && (dead || suspended || stopped[lock]) ->
			lock = GUARDIAN;
			suspended = false;
			robbed++
		   };
		   /* claimed_catch_up, count_interrupted */
		   if
		   :: intent && !NO_CATCH_UP ->
			atomic {
				write_offset = offset;
				write_end = intent_end;
				wrote = (write_offset < write_end -> write_offset : write_end);
				counts = true
			};
			raise_data_end(wrote);
			intent = false
		   :: else
		   fi
		fi;
		wanted = false
	fi;
	if
	:: !grows && data_end == ORDINARY -> goto unlock
	:: !grows && data_end != ORDINARY -> goto settle
	:: grows && ((robbed != 0 && !EXTENDS_WHILE_ROBBED) || extensions == EXTENSIONS || size + AHEAD > CELLS - 3) ->
		if
		:: data_end == ORDINARY -> goto unlock
		:: else -> goto settle
		fi
	:: else
	fi;
	/* claimed_extend */
	sequence++;
	extensions++;
	used = (data_end == ORDINARY -> size : data_end);
	o_append = false;
	size = size + AHEAD;
	data_end = (data_end == ORDINARY -> used : data_end);
	sequence++;
	lock = NOBODY;
	question = NONE;
	grows = false;
	used = 0;
	goto end;

settle:	/* claimed_settle */
	sequence++;
prove:	/* tail_data_end: what somebody whom we don't see has written is kept */
	atomic {
		used = data_end;
		at = data_end;
		do
		:: at < size -> used = (cell[at] != 0 -> at + 1 : used); at++
		:: else -> break
		od;
		at = 0
	};
	raise_data_end(used);
	/* claimed_write_has_come: its thread was continued since */
	if
	:: atomic { counts && offset != write_offset ->
		write_offset = offset;
		wrote = (write_offset < write_end -> write_offset : write_end);
		raise_data_end(wrote)
	   };
	   goto prove
	:: else
	fi;
	/* ftruncate */
	atomic {
		do
		:: size > data_end -> size--; cell[size] = 0
		:: else -> break
		od
	};
	/* interrupted_end: all of it is there, or still to come; or it came between the look and the cut */
	atomic {
		robbed_end = (counts && (offset == write_offset || (offset <= size && !NO_LOOK_BEHIND_CUT)) -> ALL : size)
	};
	counts = false;
	o_append = true;
	data_end = ORDINARY;
	sequence++;
unlock:
	lock = NOBODY;
	/* F_SETLEASE, F_UNLCK */
	leased = false;
	question = NONE;
	atomic { grows = false; used = 0; write_offset = 0; write_end = 0; wrote = 0 };
	goto end;
over:
	skip
}

#ifndef FIRST
#define FIRST 1 /* how many appends of the first thread */
#endif

init {
	atomic {
		running = 1;
		run guardian();
		run appender(1, 1, FIRST, false);
#ifdef SECOND
		running++;
		run appender(2, 3, 3, false);
#endif
#ifdef TELLER
		running++;
		run teller(2, true);
#endif
#ifdef NEIGHBOURS
		running++;
		run neighbour();
#endif
#ifdef HANDLER
		running++;
		run appender(1, 4, 4, true);
#endif
#ifdef STOP
		run stop(1);
#endif
#ifdef KILL
		run kill();
#endif
	}
}
