/* Memory that cannot fail. An allocation beyond the machine ends the process with a line on stderr:
 * every caller would otherwise need a path that no test ever runs. What is held is bounded by its holders'
 * limits, not here. */
#include "server/base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/attr.h"

static void *checked(void *ptr)
{
    if (!ptr)
        BUG("out of memory");
    return ptr;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *mem_grow(void *old, size_t n, size_t size)
{
    if (size && n > SIZE_MAX / size)
        BUG("allocation size overflow");
    size *= n;
    return checked(realloc(old, size ? size : 1));
}

char *mem_strdup(const char *text)
{
    return checked(strdup(text));
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = mem_alloc(len + 1);

    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void mem_free_at(void *ptr)
{
    void **at = ptr;

    free(*at);
}
