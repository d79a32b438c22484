/* What time alone moves. The one idea: no timers; between two instants the few ranges of event times that matter follow from the distances in the
 * definitions (see due.h for the argument). Versions with the same distance share one scan; the watch of each distance says which versions a found event
 * concerns. */
#include "server/due.h"

#include <string.h>

#include "server/base/clock.h"

static struct watch *expiry_watch(struct due *due, int64_t after_us)
{
    for (size_t i = 0; i < due->expiries.n; i++)
        if (due->expiries.at[i].after_us == after_us)
            return &due->expiries.at[i].watch;
    *VEC_ADD(&due->expiries) = (struct due_expiry){.after_us = after_us};
    return &due->expiries.at[due->expiries.n - 1].watch;
}

static struct watch *calendar_watch(struct due *due, const struct segment_calendar *wanted, const char *timezone)
{
    for (size_t i = 0; i < due->calendars.n; i++) {
        struct due_calendar *calendar = &due->calendars.at[i];

        if (calendar->period == wanted->period && calendar->last == wanted->last && strcmp(calendar->timezone, timezone) == 0)
            return &calendar->watch;
    }
    *VEC_ADD(&due->calendars) = (struct due_calendar){.period = wanted->period, .last = wanted->last, .timezone = timezone};
    return &due->calendars.at[due->calendars.n - 1].watch;
}

static void add_offset(struct due_offsets *offsets, int64_t offset_us, uint32_t version)
{
    size_t i = 0;

    while (i < offsets->all.n && offsets->all.at[i].offset_us != offset_us)
        i++;
    if (i == offsets->all.n)
        *VEC_ADD(&offsets->all) = (struct due_offset){.offset_us = offset_us};
    *VEC_ADD(&offsets->all.at[i].versions) = version;
}

static void clear_offsets(struct due_offsets *offsets)
{
    for (size_t i = 0; i < offsets->all.n; i++)
        vec_free(&offsets->all.at[i].versions);
    vec_free(&offsets->all);
}

/* The first name of a path, its escapes undone. */
static char *first_name(const char *path)
{
    char *name = mem_strdup(path), *to = name;

    for (; *path && *path != '.' && *path != '['; path++) {
        if (*path == '\\' && path[1])
            path++;
        *to++ = *path;
    }
    *to = '\0';
    return name;
}

static struct due_date *find_date(struct due *due, const char *path, const char *timezone)
{
    for (size_t i = 0; i < due->dates.n; i++)
        if (strcmp(due->dates.at[i].path, path) == 0 && strcmp(due->dates.at[i].timezone, timezone) == 0)
            return &due->dates.at[i];
    *VEC_ADD(&due->dates) = (struct due_date){.path = path, .timezone = timezone, .key = first_name(path)};
    return &due->dates.at[due->dates.n - 1];
}

static void add_date(struct due *due, const struct segment_date *date, const struct due_version *version)
{
    struct due_date *kept;

    if (strcmp(date->path, "$first_seen") == 0) {
        add_offset(&due->first_seen, date->offset_us, version->version);
        return;
    }
    kept = find_date(due, date->path, version->timezone);
    add_offset(date->anniversary ? &kept->anniversaries : &kept->offsets, date->anniversary ? date->days : date->offset_us,
               version->version);
}

void due_add(struct due *due, const struct due_version *version)
{
    const struct segment_depends *depends = version->depends;

    for (size_t i = 0; i < depends->n_expiries; i++)
        watch_add(expiry_watch(due, depends->expiries[i].after_us), &version->expiries[i], version->version);
    for (size_t i = 0; i < depends->n_calendars; i++)
        watch_add(calendar_watch(due, &depends->calendars[i], version->timezone), &version->calendars[i], version->version);
    for (size_t i = 0; i < depends->n_dates; i++)
        add_date(due, &depends->dates[i], version);
}

void due_seal(struct due *due)
{
    for (size_t i = 0; i < due->expiries.n; i++)
        watch_seal(&due->expiries.at[i].watch);
    for (size_t i = 0; i < due->calendars.n; i++)
        watch_seal(&due->calendars.at[i].watch);
}

void due_clear(struct due *due)
{
    for (size_t i = 0; i < due->expiries.n; i++)
        watch_clear(&due->expiries.at[i].watch);
    for (size_t i = 0; i < due->calendars.n; i++)
        watch_clear(&due->calendars.at[i].watch);
    for (size_t i = 0; i < due->dates.n; i++) {
        clear_offsets(&due->dates.at[i].offsets);
        clear_offsets(&due->dates.at[i].anniversaries);
        free(due->dates.at[i].key);
    }
    clear_offsets(&due->first_seen);
    vec_free(&due->expiries);
    vec_free(&due->calendars);
    vec_free(&due->dates);
}

struct due_range due_shift(int64_t t0_us, int64_t t1_us, int64_t distance_us)
{
    return (struct due_range){.from_us = t0_us - distance_us, .to_us = t1_us - distance_us};
}

bool due_calendar_over(const struct due_calendar *calendar, int64_t t1_us)
{
    return calendar->known && t1_us >= calendar->end_us;
}

bool due_period(const struct due *due, const struct due_asked *asked, int64_t *ret_before_us, int64_t *ret_start_us)
{
    for (size_t i = 0; i < due->calendars.n; i++) {
        const struct due_calendar *calendar = &due->calendars.at[i];

        if (!calendar->known || calendar->period != asked->period || strcmp(calendar->timezone, asked->timezone) != 0 ||
            asked->at_us < calendar->start_us || asked->at_us >= calendar->end_us)
            continue;
        *ret_before_us = calendar->before_us;
        *ret_start_us = calendar->start_us;
        return true;
    }
    return false;
}

struct due_range due_calendar_range(const struct due_calendar *calendar, int64_t before_us, int64_t start_us, int64_t end_us)
{
    int64_t from_us = calendar->last ? calendar->before_us : calendar->start_us;
    int64_t to_us = calendar->last ? start_us : end_us;

    /* Were t0 the later one, the known period would not be over. */
    if (before_us < from_us)
        from_us = before_us;
    return (struct due_range){.from_us = from_us - 1, .to_us = to_us - 1};
}

bool due_midnight(int64_t t0_us, int64_t t1_us)
{
    const int64_t quarter_us = 900 * US_PER_S;

    return t0_us / quarter_us != t1_us / quarter_us;
}

const char *due_period_text(enum segment_period period)
{
    static const char *const texts[] = {
        [PERIOD_DAY] = "day", [PERIOD_WEEK] = "week", [PERIOD_MONTH] = "month", [PERIOD_QUARTER] = "quarter", [PERIOD_YEAR] = "year"};

    return texts[period];
}

bool due_any(const struct segment_depends *depends)
{
    return depends->n_expiries || depends->n_calendars || depends->n_dates;
}
