/* PostgreSQL's binary forms, shared by args.c, rows.c and call.c. */
#pragma once

#include <stdint.h>

#include "server/base/attr.h"

#define WIRE_EPOCH_US INT64_C(946684800000000) /* 2000-01-01, where PostgreSQL's timestamps begin */
enum { WIRE_JSONB_VERSION = 1, WIRE_ARRAY_COUNT_AT = 12, WIRE_ARRAY_HEAD = 20 };

/* Oids of pg_type.dat, fixed for good. */
struct wire_type {
    char letter;
    uint32_t oid;
    uint32_t array_oid;
};
static const struct wire_type wire_types[] = {
    {'t', 25, 1009},   {'i', 23, 1007},   {'l', 20, 1016},   {'b', 16, 1000}, {'z', 1184, 1185},
    {'u', 2950, 2951}, {'j', 3802, 3807}, {'n', 1700, 1231}, {'y', 17, 1001}, {'f', 701, 1022},
};

/* The oid of a type letter; capitals give the array's. */
static inline uint32_t wire_oid(char letter)
{
    for (size_t i = 0; i < ARRAY_LEN(wire_types); i++) {
        if (wire_types[i].letter == letter)
            return wire_types[i].oid;
        if (wire_types[i].letter == (letter | 0x20))
            return wire_types[i].array_oid;
    }
    BUG("unknown type letter");
}

/* The oid of the elements of a capital letter's array. */
static inline uint32_t wire_element_oid(char letter)
{
    return wire_oid((char)(letter | 0x20));
}
