/* SPDX-License-Identifier: MIT */
/*
 * picker.c - see picker.h. Rules are asked in order: bottom, tiers, too many runs, deletes; the
 * first that is due makes the plan.
 */
#include "lsm/picker.h"

#include "base/check.h"
#include "base/limits.h"

struct window {
    size_t start;
    size_t limit;
};

void picker_options_init(struct picker_options *options)
{
    *options = (struct picker_options){.tier_width = 8,
                                       .size_ratio = 2,
                                       .bottom_percent = 100,
                                       .run_count_max = 20,
                                       .delete_percent = 25};
}

static uint64_t bytes_of(const struct picker_run *runs, struct window window)
{
    uint64_t bytes = 0;
    for (size_t i = window.start; i < window.limit; i++) {
        bytes += runs[i].bytes;
    }
    return bytes;
}

static bool has_busy(const struct picker_run *runs, struct window window)
{
    for (size_t i = window.start; i < window.limit; i++) {
        if (runs[i].is_busy) {
            return true;
        }
    }
    return false;
}

/* Runs from start on that are similar: none is much larger than those before it. */
static struct window tier_at(const struct picker_run *runs,
                             size_t upper_count,
                             size_t start,
                             const struct picker_options *options)
{
    struct window tier = {start, start};
    uint64_t bytes = 0;
    while (tier.limit < upper_count && !runs[tier.limit].is_busy) {
        size_t count = tier.limit - start;
        if (count > 0 && runs[tier.limit].bytes > bytes / count * options->size_ratio) {
            break;
        }
        bytes += runs[tier.limit++].bytes;
    }
    return tier;
}

/* Whether the store is so young that all its runs are one unfinished tier: its oldest run is no
 * bottom yet, and merging it at each doubling would write every byte several times. */
static bool
is_young(const struct picker_run *runs, size_t run_count, const struct picker_options *options)
{
    return run_count < options->tier_width && runs[run_count - 1].bytes > 0 &&
           tier_at(runs, run_count, 0, options).limit == run_count;
}

/* How far the runs above the bottom have come to being merged into it; 1 = due. */
static double
bottom_score(const struct picker_run *runs, size_t run_count, const struct picker_options *options)
{
    if (run_count < 2) {
        return 0;
    }
    const struct picker_run *bottom = &runs[run_count - 1];
    double row_bytes =
        bottom->row_count == 0 ? 0 : (double)bottom->bytes / (double)bottom->row_count;
    bool has_bottom = !is_young(runs, run_count, options);
    double above = 0;
    for (size_t i = 0; i + 1 < run_count; i++) {
        above += has_bottom ? (double)runs[i].bytes : 0;
        above += (double)runs[i].delete_count * row_bytes; /* They free space at any age. */
    }
    double due = (double)bottom->bytes * options->bottom_percent / 100;
    return due > 0 ? above / due : 1;
}

/* Takes the next older tier along when the merged run would complete it: its bytes are then written
 * once and not twice. */
static struct window tier_cascade(const struct picker_run *runs,
                                  size_t upper_count,
                                  struct window tier,
                                  const struct picker_options *options)
{
    for (;;) {
        struct window older = tier_at(runs, upper_count, tier.limit, options);
        uint64_t bytes = bytes_of(runs, tier);
        size_t older_count = older.limit - older.start;
        if (older_count + 1 < options->tier_width ||
            runs[older.start].bytes > bytes * options->size_ratio) {
            return tier;
        }
        tier.limit = older.limit;
    }
}

/* The newest full tier above the bottom; *score tells how full the fullest is. */
static struct window tier_find(const struct picker_run *runs,
                               size_t run_count,
                               const struct picker_options *options,
                               double *score)
{
    size_t upper_count = run_count == 0 ? 0 : run_count - 1;
    *score = 0;
    for (size_t start = 0; start < upper_count; start++) {
        struct window tier = tier_at(runs, upper_count, start, options);
        size_t count = tier.limit - tier.start;
        double fill = (double)count / options->tier_width;
        *score = fill > *score ? fill : *score;
        if (count >= options->tier_width) {
            return tier_cascade(runs, upper_count, tier, options);
        }
    }
    return (struct window){0, 0};
}

/* The fewest bytes whose merge brings the count back to the limit; the bottom only when nothing
 * else is free. Empty when busy runs leave no such window. */
static struct window cheapest(const struct picker_run *runs, size_t run_count, size_t width)
{
    struct window best = {0, 0};
    for (size_t start = 0; start + width <= run_count; start++) {
        struct window window = {start, start + width};
        bool is_last_choice = window.limit == run_count && best.limit > 0;
        if (has_busy(runs, window) || is_last_choice) {
            continue;
        }
        if (best.limit == 0 || bytes_of(runs, window) < bytes_of(runs, best)) {
            best = window;
        }
    }
    return best;
}

static bool has_many_deletes(const struct picker_run *run, const struct picker_options *options)
{
    return options->delete_percent > 0 && run->delete_count > 0 &&
           (double)run->delete_count * 100 >= (double)run->row_count * options->delete_percent;
}

struct picker_plan
picker_pick(const struct picker_run *runs, size_t run_count, const struct picker_options *options)
{
    PRE(options->tier_width >= 2 && options->size_ratio >= 1 && options->run_count_max >= 2);
    struct window all = {0, run_count};
    double bottom = bottom_score(runs, run_count, options);
    double tier_score = 0;
    struct window tier = tier_find(runs, run_count, options, &tier_score);
    double count_score = (double)run_count / (options->run_count_max + 1.0);
    double score = bottom > tier_score ? bottom : tier_score;
    score = count_score > score ? count_score : score;
    if (bottom >= 1 && !has_busy(runs, all)) {
        return (struct picker_plan){0, run_count, score, "bottom"};
    }
    if (tier.limit > tier.start) {
        return (struct picker_plan){tier.start, tier.limit, score, "tier"};
    }
    if (run_count > options->run_count_max) {
        struct window few = cheapest(runs, run_count, run_count - options->run_count_max + 1);
        if (few.limit > few.start) {
            return (struct picker_plan){few.start, few.limit, score, "too many runs"};
        }
    }
    if (run_count > 0 && !runs[run_count - 1].is_busy &&
        has_many_deletes(&runs[run_count - 1], options)) {
        return (struct picker_plan){run_count - 1, run_count, score > 1 ? score : 1, "deletes"};
    }
    return (struct picker_plan){0, 0, score, "nothing due"};
}

/* Puts the merged run in the place of its inputs; returns how many runs are left. */
static size_t plan_apply(struct picker_run *runs, size_t run_count, const struct picker_plan *plan)
{
    struct picker_run merged = {0};
    for (size_t i = plan->start; i < plan->limit; i++) {
        merged.bytes += runs[i].bytes;
        merged.row_count += runs[i].row_count;
        merged.delete_count += runs[i].delete_count;
    }
    if (plan->limit == run_count) {
        merged.delete_count = 0;
    }
    runs[plan->start] = merged;
    size_t removed = plan->limit - plan->start - 1;
    for (size_t i = plan->limit; i < run_count; i++) {
        runs[i - removed] = runs[i];
    }
    return run_count - removed;
}

uint64_t
picker_debt(const struct picker_run *runs, size_t run_count, const struct picker_options *options)
{
    struct picker_run left[RUN_COUNT_MAX];
    PRE(run_count <= RUN_COUNT_MAX);
    uint64_t debt = 0;
    for (size_t i = 0; i < run_count; i++) {
        left[i] = runs[i];
        debt += runs[i].is_busy ? runs[i].bytes : 0;
    }
    for (;;) {
        struct picker_plan plan = picker_pick(left, run_count, options);
        if (plan.limit == plan.start) {
            return debt;
        }
        debt += bytes_of(left, (struct window){plan.start, plan.limit});
        run_count = plan_apply(left, run_count, &plan);
    }
}
