/* SPDX-License-Identifier: MIT */
/*
 * env_posix_map.c - the guarded copy.
 *
 * The handler jumps out of memcpy, which holds nothing. SA_NODEFER: the signal mask is not saved by
 * the jump (that would be a system call per copy), so the signal must not stay blocked. The armed
 * place is per thread and volatile: the handler runs in the thread that faulted.
 */
#include "env/env_posix_map.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

static _Thread_local struct {
    sigjmp_buf out;
    volatile uintptr_t start;
    volatile uintptr_t limit; /* 0 = not armed. */
} armed;

static struct sigaction previous;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    if (address >= armed.start && address < armed.limit) {
        armed.limit = 0;
        siglongjmp(armed.out, 1);
    }
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(number, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(number);
    } else {
        /* Not ours: the faulting instruction runs again and ends the process as it would have. */
        (void)signal(SIGBUS, SIG_DFL);
    }
}

static void install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
    action.sa_sigaction = on_bus_error;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, &previous);
}

void map_guard_install(void)
{
    (void)pthread_once(&once, install);
}

bool map_copy(char *to, const void *data, size_t size)
{
    if (sigsetjmp(armed.out, 0) != 0) {
        return false;
    }
    armed.start = (uintptr_t)to;
    armed.limit = (uintptr_t)to + size;
    __asm__ volatile("" ::: "memory"); /* The copy stays between arming and disarming. */
    memcpy(to, data, size);
    __asm__ volatile("" ::: "memory");
    armed.limit = 0;
    return true;
}
