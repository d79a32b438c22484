/* Consent in answers, and people whom a channel reaches in questions. */
#pragma once

#include "api/call.h"

/* Adds "consent": channel → {state, at, by}, of rows as db_consent_read gives them. */
void consent_put(struct json_out *out, const struct db_rows *rows);

enum { REACHABLE_MAX = 20 /* channels */ };

/* Channels that must all reach a person: "email,third_party". */
struct reachable {
    char *text; /* owned; its commas are made NUL */
    const char *channels[REACHABLE_MAX];
    size_t n; /* 0: everybody is meant */
};
#define AUTO_REACHABLE CLEANUP(reachable_release)
void reachable_release(struct reachable *reachable);
/* False: it is not 1 to 20 names of channels, parted by commas; *ret_reachable is to be released all the same. */
bool reachable_split(const char *text, struct reachable *ret_reachable) MUST_CHECK;
/* ?reachable=; false: answered with 400. */
bool reachable_read(struct call *c, struct reachable *ret_reachable) MUST_CHECK;
