/* Who watches what. The one idea: an array sorted by id, searched by halving: built once
 * when the roster of versions changes, read millions of times by ticks, without a hash or a
 * pointer. */
#include "server/watch.h"

void watch_names_free(struct watch_names *names)
{
    free(names->ids);
    *names = (struct watch_names){.any = false};
}

void watch_add_id(struct watch *watch, int32_t id, uint32_t version)
{
    *VEC_ADD(&watch->entries) = (struct watch_entry){.id = id, .version = version};
}

void watch_add(struct watch *watch, const struct watch_names *names, uint32_t version)
{
    if (names->any) {
        *VEC_ADD(&watch->any) = version;
        return;
    }
    for (size_t i = 0; i < names->n; i++)
        watch_add_id(watch, names->ids[i], version);
}

static int compare(const void *a, const void *b)
{
    const struct watch_entry *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->version > y->version) - (x->version < y->version);
}

void watch_seal(struct watch *watch)
{
    if (watch->entries.n)
        qsort(watch->entries.at, watch->entries.n, sizeof *watch->entries.at, compare);
    vec_clear(&watch->ids);
    for (size_t i = 0; i < watch->entries.n; i++)
        if (i == 0 || watch->entries.at[i].id != watch->entries.at[i - 1].id)
            *VEC_ADD(&watch->ids) = watch->entries.at[i].id;
}

const struct watch_entry *watch_find(const struct watch *watch, int32_t id, size_t *ret_n)
{
    size_t low = 0, high = watch->entries.n, end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (watch->entries.at[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < watch->entries.n && watch->entries.at[end].id == id; end++)
        ;
    *ret_n = end - low;
    return watch->entries.at + low;
}

void watch_clear(struct watch *watch)
{
    vec_free(&watch->entries);
    vec_free(&watch->any);
    vec_free(&watch->ids);
}
