/* Any bytes as an uploaded file: whoever it names is a person that the store can hold, once, and its text lies in the file or the arena;
 * each row that is refused stands in a line of the file. The first byte chooses the form. */
#include <stdint.h>
#include <string.h>

#include "api/collect/upload.h"
#include "server/base/alloc.h"
#include "server/base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_people(const struct person *people, size_t n, const char *kind)
{
    for (size_t i = 0; i < n; i++) {
        struct span id = people[i].external;
        struct id raw = id_person(kind, id.at, id.len);

        ASSERT(id.len >= 1 && id.len <= 256 && utf8_ok(id.at, id.len) && !memchr(id.at, '\0', id.len));
        ASSERT(id_equal(&raw, &people[i].raw));
        ASSERT(i == 0 || id_compare(&people[i - 1].raw, &raw) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct upload upload = UPLOAD_INIT;
    struct err err = ERR_INIT;
    size_t lines = 1, last = 0, n = 0;
    char *text;

    if (size < 1)
        return 0;
    for (size_t i = 1; i < size; i++)
        lines += data[i] == '\n';
    text = mem_alloc(size - 1 ? size - 1 : 1);
    memcpy(text, data + 1, size - 1);
    if (upload_read(text, size - 1, data[0] & 1 ? UPLOAD_CSV : UPLOAD_NDJSON, &upload, &err)) {
        for (enum person_kind kind = PERSON_USER; kind < PERSON_KINDS; kind++) {
            check_people(upload.people[kind].at, upload.people[kind].n, person_kind_text(kind));
            n += upload.people[kind].n;
        }
        for (size_t i = 0; i < upload.errors.n; i++) {
            ASSERT(upload.errors.at[i].line > last && upload.errors.at[i].line <= lines);
            last = upload.errors.at[i].line;
        }
        ASSERT(upload.rejected >= upload.errors.n && n + upload.rejected <= lines);
    } else {
        ASSERT(err.code);
    }
    upload_release(&upload);
    free(text);
    return 0;
}
