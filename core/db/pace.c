/* SPDX-License-Identifier: MIT */
/* pace.c - the rate curve of pace.h. */
#include "db/pace.h"

#include "base/check.h"

static double clamp01(double x)
{
    return x < 0 ? 0 : (x > 1 ? 1 : x);
}

/* Bytes per second at fullness 0..1 of the second half of the room: 2x the bandwidth at first, 0.5x
 * at the end. */
static double rate_at(double bandwidth, double fullness)
{
    return bandwidth * (2.0 - 1.5 * clamp01(fullness));
}

uint64_t pace_delay_ns(const struct pace_input *input, uint64_t bytes)
{
    PRE(input->room_bytes > 0 && input->run_hard > input->run_soft);
    double delay = 0;
    double half = (double)input->room_bytes / 2;
    if (input->flush_rate > 0 && (double)input->backlog_bytes > half) {
        double fullness = ((double)input->backlog_bytes - half) / half;
        delay = (double)bytes / rate_at(input->flush_rate, fullness);
    }
    if (input->compact_rate > 0 && input->run_count > input->run_soft) {
        double fullness = (double)(input->run_count - input->run_soft) /
                          (double)(input->run_hard - input->run_soft);
        double by_runs = (double)bytes / rate_at(input->compact_rate, fullness);
        delay = by_runs > delay ? by_runs : delay;
    }
    return (uint64_t)(delay * 1e9);
}
