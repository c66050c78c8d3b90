/* SPDX-License-Identifier: MIT */
/*
 * process.c - signals, clocks and the few facts of the machine that the host's Lua asks for.
 * Floor 5.
 *
 * Signals are blocked everywhere and fetched by the main thread, so no handler ever runs and no
 * system call of a worker is interrupted.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "host/host_private.h"

static void served_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGUSR2);
}

void host_signals_block(void)
{
    sigset_t set;
    served_signals(&set);
    INV(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    INV(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

int host_signal_wait(struct host *host, int timeout_ms)
{
    PRE(pthread_equal(pthread_self(), host->main_thread));
    sigset_t set;
    served_signals(&set);
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    int number;
    do {
        number = timeout_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &timeout);
    } while (number < 0 && errno == EINTR);
    if (number < 0) {
        return 0;
    }
    return number == SIGUSR2 ? HOST_SIGNAL_WORKER : number;
}

void host_descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        /* Without it connections_max is reached sooner, and said so. */
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void host_exit(int code)
{
    _exit(code);
}

double host_file_mtime(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        return -1;
    }
    return (double)info.st_mtim.tv_sec + (double)info.st_mtim.tv_nsec / 1e9;
}

int host_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode) ? 1 : 0;
}

int host_make_directory(const char *path, struct loam_error *err)
{
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && host_is_directory(path) == 1)) {
        return LOAM_OK;
    }
    return fail_errno(err, LOAM_IO, errno, "cannot make the directory %s", path);
}

int host_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count;
}

static double clock_ms(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    int64_t micros = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    return (double)micros / 1000;
}

double host_now_ms(void)
{
    return clock_ms(CLOCK_REALTIME);
}

double host_monotonic_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}
