/* SPDX-License-Identifier: MIT */
/*
 * interrupt.h - how a worker's thread becomes one that host_interrupt() reaches. Floor 5; the
 * program only. Thread: worker.
 */
#ifndef LOAM_HOST_INTERRUPT_H
#define LOAM_HOST_INTERRUPT_H

#include <lua.h>

struct host_worker;

/* From now on this thread, which runs `worker` in `lua`, takes interrupts. */
void interrupt_begin(struct host_worker *worker, lua_State *lua);
/* No more of them; before the state is closed. */
void interrupt_end(void);

#endif
