/* A definition's life: parsed, asked, freed. The one idea: everything of a tree lies in blocks that the segment owns, so nothing in
 * it has an owner of its own and freeing is one walk over the blocks. After segment_parse nothing in it changes, so any thread may
 * read it. */
#include "segment/segment.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "segment/ast.h"
#include "segment/parse.h"
#include "server/base/alloc.h"

struct block {
    struct block *next;
    alignas(max_align_t) char bytes[];
};

void *segment_alloc(struct segment *segment, size_t size)
{
    struct block *block = mem_zalloc(sizeof *block + size);

    block->next = segment->blocks;
    segment->blocks = block;
    return block->bytes;
}

void *segment_push(struct segment *segment, void *items, size_t n, size_t size)
{
    void *grown;

    if (n & (n - 1) || (n == 0 && items))
        return items;
    grown = segment_alloc(segment, (n ? 2 * n : 1) * size);
    if (n)
        memcpy(grown, items, n * size);
    return grown;
}

void segment_free(struct segment *segment)
{
    if (!segment)
        return;
    for (struct block *block = segment->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(segment);
}

void segment_free_at(struct segment **segment)
{
    segment_free(*segment);
}

static bool parse_document(struct segment *segment, size_t len, struct err *err)
{
    struct parser parser = {.segment = segment, .err = err};
    struct json_flaw flaw;
    struct json root;
    size_t bad_numbers;

    if (!json_check(segment->text, len, &root, &bad_numbers, &flaw))
        return err_set(err, strncmp(flaw.what, "depth", 5) == 0 ? "limit" : "bad_json", "", "no JSON: %s at byte %zu", flaw.what,
                       flaw.offset);
    return parse_condition(&parser, NULL, root, 1, &segment->root);
}

bool segment_parse(const char *text, size_t len, const char *timezone, struct segment **ret_segment, struct err *err)
{
    AUTO_SEGMENT struct segment *segment = mem_zalloc(sizeof *segment);
    char *zone = segment_alloc(segment, strlen(timezone) + 1);

    memcpy(zone, timezone, strlen(timezone));
    segment->timezone = zone;
    segment->text = segment_alloc(segment, len + 1);
    memcpy(segment->text, text, len);
    if (!parse_document(segment, len, err))
        return false;
    segment_find_depends(segment);
    segment_list_nodes(segment);
    *ret_segment = segment;
    segment = NULL;
    return true;
}

const char *segment_timezone(const struct segment *segment)
{
    return segment->timezone;
}

const char *segment_text(const struct segment *segment)
{
    return segment->text;
}

const struct segment_depends *segment_depends(const struct segment *segment)
{
    return &segment->depends;
}

size_t segment_patterns(const struct segment *segment, const struct segment_pattern **ret_patterns)
{
    *ret_patterns = segment->patterns;
    return segment->n_patterns;
}
