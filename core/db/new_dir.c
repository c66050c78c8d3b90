/* SPDX-License-Identifier: MIT */
/*
 * new_dir.c - the directory of a checkpoint or a restored store. It was empty and is locked, so
 * every file in it that has a name of ours was made by us.
 */
#include <inttypes.h>
#include <stdio.h>

#include "db/checkpoint.h"
#include "db/db.h"
#include "disk/file_name.h"
#include "disk/table_reader.h"

enum { CHECK_CACHE_BYTES = 1 << 20 };

struct looking {
    char found[ENV_NAME_CAPACITY];
};

static int look(void *context, const char *name)
{
    struct looking *looking = context;
    uint64_t number = 0;
    if (file_name_parse(name, &number) != FILE_LOCK) {
        (void)snprintf(looking->found, sizeof(looking->found), "%s", name);
    }
    return LOAM_OK;
}

static int take(struct new_dir *made, struct loam_error *err)
{
    struct looking looking = {0};
    char lock[FILE_NAME_SIZE];
    TRY(env_list(made->dir, look, &looking, err));
    if (looking.found[0] != '\0') {
        return fail(err, LOAM_EXISTS, "%s is not empty: it holds '%s'", made->path, looking.found);
    }
    file_name_make(FILE_LOCK, 0, lock);
    TRY(env_lock(made->dir, lock, err));
    /* Again: somebody may have filled it before the lock was ours. */
    TRY(env_list(made->dir, look, &looking, err));
    if (looking.found[0] != '\0') {
        return fail(err, LOAM_EXISTS, "%s is not empty: it holds '%s'", made->path, looking.found);
    }
    return LOAM_OK;
}

int new_dir_open(struct new_dir *made, struct env *env, const char *path, struct loam_error *err)
{
    *made = (struct new_dir){.env = env, .path = path};
    int rc = env_open_dir(env, path, false, &made->dir, NULL);
    if (rc != LOAM_OK) {
        /* The error of the second attempt is the telling one. */
        TRY(env_open_dir(env, path, true, &made->dir, err));
        made->is_made = rc == LOAM_NOT_FOUND;
    }
    rc = take(made, err);
    if (rc != LOAM_OK) {
        env_dir_close(made->dir);
        if (made->is_made) {
            DISCARD(env_remove_dir(env, path, NULL)); /* The first error is what counts. */
        }
    }
    return rc;
}

static int remove_ours(void *context, const char *name)
{
    uint64_t number = 0;
    if (file_name_parse(name, &number) != FILE_UNKNOWN) {
        DISCARD(env_remove(context, name, NULL)); /* What stays makes no whole store. */
    }
    return LOAM_OK;
}

void new_dir_close(struct new_dir *made, bool is_failed)
{
    if (is_failed) {
        char current[FILE_NAME_SIZE];
        file_name_make(FILE_CURRENT, 0, current);
        DISCARD(env_remove(made->dir, current, NULL)); /* Mostly it was not there yet. */
        DISCARD(env_dir_sync(made->dir, NULL));
        DISCARD(env_list(made->dir, remove_ours, made->dir, NULL));
    }
    env_dir_close(made->dir);
    if (is_failed && made->is_made) {
        DISCARD(env_remove_dir(made->env, made->path, NULL));
    }
    *made = (struct new_dir){0};
}

static void ignore_obsolete(void *owner UNUSED, uint64_t number UNUSED) {}

static int check_tables(const struct table_context *context,
                        const struct version *version,
                        size_t *count,
                        struct loam_error *err)
{
    for (size_t r = 0; r < version->run_count; r++) {
        const struct run *run = &version->runs[r];
        for (size_t t = 0; t < run->table_count; t++, (*count)++) {
            const struct table_meta *meta = table_meta(run->tables[t]);
            struct table_reader *reader = NULL;
            TRY(table_reader_open(context->dir, meta->number, meta->size, &context->id, &reader,
                                  err));
            table_reader_close(reader);
        }
    }
    return LOAM_OK;
}

static int check_set(struct new_dir *made,
                     struct table_context *context,
                     uint64_t seq,
                     size_t table_count,
                     struct loam_error *err)
{
    struct version_set *set = NULL;
    TRY(version_set_open(made->dir, context, &set, err));
    struct version *version = version_set_current(set);
    size_t count = 0;
    int rc = check_tables(context, version, &count, err);
    if (rc == LOAM_OK && (count != table_count || version_set_last_seq(set) != seq)) {
        rc = fail(err, LOAM_CORRUPT,
                  "%s: the copy reads back as %zu tables at sequence %" PRIu64
                  ", not %zu at %" PRIu64,
                  made->path, count, version_set_last_seq(set), table_count, seq);
    }
    version_unref(version);
    KEEP_FIRST(rc, version_set_close(set, rc == LOAM_OK ? err : NULL));
    return rc;
}

int new_dir_check(struct new_dir *made, uint64_t seq, size_t table_count, struct loam_error *err)
{
    struct cache *cache = cache_new(CHECK_CACHE_BYTES);
    if (cache == NULL) {
        return mem_fail(err, CHECK_CACHE_BYTES);
    }
    struct table_context context = {
        .dir = made->dir, .cache = cache, .on_obsolete = ignore_obsolete};
    int rc = check_set(made, &context, seq, table_count, err);
    epoch_drain(); /* The set's tables are gone before the context is. */
    cache_free(cache);
    return rc;
}
