/* Memory that cannot fail: cohortd bounds what it holds by named limits, so an allocation that fails
 * anyway is a machine out of memory, and the process stops (its peers and its SDKs' retries go on). */
#pragma once

#include <stddef.h>

/* As malloc, calloc, realloc (of n × size, overflow checked), strdup, strndup; never NULL. Free with free(). */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_grow(void *old, size_t n, size_t size);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);

/* For CLEANUP: frees the pointer that ptr points to. */
void mem_free_at(void *ptr);
#define AUTO_FREE CLEANUP(mem_free_at)
