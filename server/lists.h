/* Lists: edits that wait are applied, and memberships of merged profiles move, inside a tick's transaction and before any rule is
 * evaluated. Worker thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "server/differ.h"

struct lists_result {
    size_t applied; /* edits: their requests wait for the commit */
    bool more;      /* others are left to the next tick */
};

/* Applies edits, oldest first. Every row of the queue that the transaction can see must have been taken: an edit must not be overtaken by a
 * merge that came before it. */
enum db_status lists_apply(struct differ *differ, struct lists_result *ret_result) MUST_CHECK;
/* Survivors take the place of those whose memberships are in differ->earlier. */
enum db_status lists_inherit(struct differ *differ) MUST_CHECK;
