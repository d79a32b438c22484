/* How a person is named in a path and in an answer. Pure. */
#pragma once

#include "api/collect/person.h"
#include "db/message.h"
#include "db/who.h"
#include "server/base/id.h"
#include "server/base/json_write.h"

/* Somebody named in a path. Not to be copied: the id may point into it. */
struct person_named {
    struct person person; /* its text is borrowed from the path or from `room` */
    enum person_kind kind;
    char room[EMAIL_MAX];
};

/* The raw id of "ID" or "user:ID" (a user), "anon:ID" (an anonymous id) or "email:ADDRESS". False: no id that anybody has. */
bool person_read(const char *text, struct id *ret_raw) MUST_CHECK;
/* The same for somebody who may be new. False: no id that a person may have. */
bool person_name(const char *text, struct person_named *ret_named) MUST_CHECK;
/* Writes the members user_id, anonymous_id and email, of which one is a text and the others are null. */
void person_put(struct json_out *out, const struct who *who);
