/* One block of memory for all texts of a job that are not in its body as such. Its size is bounded beforehand and it never moves, so
 * spans of it stay good; it is allocated at the first use, and most requests never do. */
#pragma once

#include <stddef.h>

#include "db/message.h"

struct arena {
    char *at; /* NULL until used; whoever takes it frees it */
    size_t used;
    size_t size;
};

/* The place of the next byte. */
char *arena_end(struct arena *arena);
/* Appends; to run out is a bug of whoever bounded the size. */
void arena_add(struct arena *arena, const char *bytes, size_t len);
void arena_add_text(struct arena *arena, const char *text);
/* Room for at most len bytes at the end; arena_added says how many were written there. */
char *arena_room(struct arena *arena, size_t len);
void arena_added(struct arena *arena, size_t len);
/* The span from an earlier arena_end to here. */
struct span arena_since(struct arena *arena, const char *from);
