/* The arena of a job: a bump pointer. Nothing is freed alone and nothing moves, which is why spans into it may be handed out at once.
 * Invariant: its bound, computed by batch.c from the body's length, is never reached; an overflow is a bug and stops the process rather
 * than write past the end. */
#include "api/collect/arena.h"

#include <string.h>

#include "server/base/alloc.h"
#include "server/base/attr.h"

char *arena_end(struct arena *arena)
{
    if (!arena->at)
        arena->at = mem_alloc(arena->size);
    return arena->at + arena->used;
}

char *arena_room(struct arena *arena, size_t len)
{
    ASSERT(len <= arena->size - arena->used);
    return arena_end(arena);
}

void arena_added(struct arena *arena, size_t len)
{
    arena->used += len;
}

void arena_add(struct arena *arena, const char *bytes, size_t len)
{
    memcpy(arena_room(arena, len), bytes, len);
    arena_added(arena, len);
}

void arena_add_text(struct arena *arena, const char *text)
{
    arena_add(arena, text, strlen(text));
}

struct span arena_since(struct arena *arena, const char *from)
{
    return (struct span){.at = from, .len = (size_t)(arena_end(arena) - from)};
}
