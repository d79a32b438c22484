/* Any bytes as a gzipped body, fed in pieces: never more than the limit is held, the ratio cap holds, a flawed body holds nothing, and how the
 * bytes were cut into pieces makes no difference. The first byte is the size of a piece, the second chooses the limit and the ratio. */
#include <stdint.h>
#include <string.h>

#include "server/http/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct body *body, const uint8_t *data, size_t size, size_t piece)
{
    for (size_t at = 0; at < size; at += piece) {
        body_feed(body, data + at, size - at < piece ? size - at : piece);
        ASSERT(body->bytes.len <= body->bytes.max);
        ASSERT(!body->flaw || !body->bytes.data);
    }
    ASSERT(body_end(body) == !body->flaw);
    ASSERT(body->received == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t limits[] = {0, 1, 100, 16 << 10, 64 << 10, 4 << 20};
    static const size_t ratios[] = {0, 1, 10, 200};
    struct body pieces, whole;
    size_t limit, ratio, piece;

    if (size < 2)
        return 0;
    piece = data[0] ? data[0] : 1;
    limit = limits[data[1] % ARRAY_LEN(limits)];
    ratio = ratios[data[1] / ARRAY_LEN(limits) % ARRAY_LEN(ratios)];
    body_begin(&pieces, "gzip", limit, 0, ratio);
    body_begin(&whole, "gzip", limit, 0, ratio);
    feed(&pieces, data + 2, size - 2, piece);
    feed(&whole, data + 2, size - 2, size);
    if (!ratio) { /* with a ratio, what came so far counts */
        ASSERT(!pieces.flaw == !whole.flaw);
        ASSERT(pieces.bytes.len == whole.bytes.len && !memcmp(buf_text(&pieces.bytes), buf_text(&whole.bytes), whole.bytes.len));
    } else if (!pieces.flaw) {
        ASSERT(!whole.flaw);
        ASSERT(pieces.bytes.len <= 1 << 20 || pieces.bytes.len / ratio <= pieces.received);
    }
    body_release(&pieces);
    body_release(&whole);
    return 0;
}
