/* Definitions of other segments for a reference that is evaluated in place. The one idea: the compiler asks by key, and each key is read and parsed
 * once; a failure is kept and told at the end, so that the compiler need not know that there is a database. What it lends lives as long as
 * the others; it writes nothing. */
#include "db/others.h"

#include <string.h>

#include "db/segment.h"
#include "server/base/alloc.h"

void db_others_release(struct db_others *others)
{
    for (size_t i = 0; i < others->known.n; i++) {
        free(others->known.at[i].key);
        segment_free(others->known.at[i].segment);
    }
    vec_free(&others->known);
}

const struct segment *db_others_look_up(void *context, const char *key)
{
    AUTO_DB_ROWS struct db_rows rows = DB_ROWS_INIT;
    struct db_others *others = context;
    struct segment *segment = NULL;
    struct err err = ERR_INIT;
    enum db_status status;

    for (size_t i = 0; i < others->known.n; i++)
        if (strcmp(others->known.at[i].key, key) == 0)
            return others->known.at[i].segment;
    status = db_segment_definition(others->db, key, others->serving, &rows);
    if (status == DB_OK && strcmp(db_text(&rows, 0, DEFINITION_KIND), "rule") == 0) {
        const char *text = db_text(&rows, 0, DEFINITION_TEXT);

        if (!segment_parse(text, strlen(text), db_text(&rows, 0, DEFINITION_TIMEZONE), &segment, &err))
            status = DB_ERROR;
    }
    if (status == DB_RETRY || status == DB_ERROR)
        others->status = status;
    *VEC_ADD(&others->known) = (struct db_other){.key = mem_strdup(key), .segment = segment};
    return segment;
}
