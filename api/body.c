/* Bodies of the manage face. The one idea: a handler lists the members it knows with their types and gets spans of the
 * body back; what does not fit is an error with a JSON pointer. Numbers and definitions stay the client's own bytes. It
 * knows no resource. */
#include "api/body.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/collect/person.h"
#include "server/base/alloc.h"

void body_point(char *pointer, size_t size, struct json key)
{
    char *text AUTO_FREE = json_text(key);
    size_t at = strlen(pointer);

    if (at + 2 < size)
        pointer[at++] = '/';
    for (const char *from = text; *from && at + 3 < size; from++) {
        if (*from == '~' || *from == '/') {
            pointer[at++] = '~';
            pointer[at++] = *from == '~' ? '0' : '1';
        } else {
            pointer[at++] = *from;
        }
    }
    pointer[at] = '\0';
}

static bool all_strings(struct json array)
{
    struct json_iter iter = json_iter(array);
    struct json item;

    while (json_next_element(&iter, &item))
        if (item.type != JSON_T_STRING)
            return false;
    return true;
}

static bool fits(struct json value, unsigned types)
{
    int64_t number;

    switch (value.type) {
    case JSON_T_NULL:
        return types & MEMBER_NULL;
    case JSON_T_FALSE:
    case JSON_T_TRUE:
        return types & MEMBER_BOOL;
    case JSON_T_NUMBER:
        return (types & MEMBER_INT) && json_int(value, INT64_MIN, INT64_MAX, &number);
    case JSON_T_STRING:
        return types & MEMBER_TEXT;
    case JSON_T_ARRAY:
        return (types & MEMBER_TEXTS) && all_strings(value);
    case JSON_T_OBJECT:
        return types & MEMBER_OBJECT;
    case JSON_T_NONE:
        break;
    }
    return false;
}

static const char *types_text(unsigned types)
{
    switch (types & ~(unsigned)MEMBER_NULL) {
    case MEMBER_TEXT:
        return "must be a string";
    case MEMBER_BOOL:
        return "must be true or false";
    case MEMBER_INT:
        return "must be a whole number";
    case MEMBER_OBJECT:
        return "must be an object";
    case MEMBER_TEXTS:
        return "must be an array of strings";
    default:
        return "has a wrong type";
    }
}

static const struct body_field *find(const struct body_field *fields, size_t n, struct json key)
{
    for (size_t i = 0; i < n; i++)
        if (json_is(key, fields[i].name))
            return &fields[i];
    return NULL;
}

bool body_read(struct json body, const struct body_field *fields, size_t n, struct err *err)
{
    struct json_iter iter = json_iter(body);
    struct json key, value;

    for (size_t i = 0; i < n; i++)
        *fields[i].into = JSON_NONE;
    while (json_next_member(&iter, &key, &value)) {
        const struct body_field *field = find(fields, n, key);
        char pointer[ERR_POINTER_MAX] = "";

        if (field && fits(value, field->types)) {
            *field->into = value;
            continue;
        }
        body_point(pointer, sizeof pointer, key);
        if (!field)
            return err_set(err, "unknown_member", pointer, "there is no such member");
        return err_set(err, "wrong_type", pointer, "%s", types_text(field->types));
    }
    return true;
}

static bool has_control(const char *text, const char *fine)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 || *text == 0x7f) && !strchr(fine, *text))
            return true;
    return false;
}

char *body_prose(struct json value, const char *pointer, size_t low, size_t high, struct err *err)
{
    size_t length = json_length(value);
    char *text;

    if (length < low || length > high) {
        (void)err_set(err, "bad_value", pointer, "must have %zu to %zu characters", low, high);
        return NULL;
    }
    text = json_text(value);
    if (!has_control(text, "\n\r\t"))
        return text;
    free(text);
    (void)err_set(err, "bad_value", pointer, "must have no control characters");
    return NULL;
}

char *body_text(struct json value, const char *pointer, size_t low, size_t high, struct err *err)
{
    char *text = body_prose(value, pointer, low, high, err);

    if (!text || !has_control(text, ""))
        return text;
    free(text);
    (void)err_set(err, "bad_value", pointer, "must have no control characters");
    return NULL;
}

char *body_name(struct json value, const char *pointer, size_t high, struct err *err)
{
    char *text = body_text(value, pointer, 1, high, err);

    if (!text || !text_is_blank((struct span){.at = text, .len = strlen(text)}))
        return text;
    free(text);
    (void)err_set(err, "bad_value", pointer, "must not be blank");
    return NULL;
}

bool body_int(struct json value, const char *pointer, const struct int_range *range, int64_t *ret_value, struct err *err)
{
    if (json_int(value, range->low, range->high, ret_value))
        return true;
    return err_set(err, "bad_value", pointer, "must be a whole number from %" PRId64 " to %" PRId64, range->low, range->high);
}

void texts_release(struct texts *texts)
{
    for (size_t i = 0; i < texts->n; i++)
        free(texts->at[i]);
    free(texts->at);
    *texts = (struct texts){.at = NULL};
}

bool body_texts(struct json value, const char *pointer, const struct texts_limit *limit, struct texts *ret_texts, struct err *err)
{
    struct json_iter iter = json_iter(value);
    size_t n = json_count(value);
    struct texts texts = {.at = NULL};
    struct json item;

    if (n > limit->n)
        return err_set(err, "bad_value", pointer, "must have at most %zu items", limit->n);
    texts.at = mem_grow(NULL, n, sizeof *texts.at);
    while (json_next_element(&iter, &item)) {
        char at[ERR_POINTER_MAX];

        (void)snprintf(at, sizeof at, "%s/%zu", pointer, texts.n);
        texts.at[texts.n] = body_text(item, at, 1, limit->length, err);
        if (!texts.at[texts.n]) {
            texts_release(&texts);
            return false;
        }
        texts.n++;
    }
    *ret_texts = texts;
    return true;
}
