/* Is an entry one? The one idea: a table of members for each kind of object, each with the function that checks its value, so an unknown
 * member, a wrong type or a path that cannot be read is told with its pointer when the entry is written, and verify.c and map.c need not
 * look again. It says nothing about the secret (hook_secret_ok) and cannot know whether the provider's events look like that. */
#include <stdio.h>
#include <string.h>

#include "api/hooks/look.h"
#include "server/base/alloc.h"

enum { NAME_LENGTH = 200, RULES_MAX = 20 };

typedef bool check_fn(struct json value, const char *pointer, struct err *err);

struct member {
    const char *name;
    check_fn *check;
    bool required;
};

/* pointer/key, cut at its limit. */
struct pointer {
    char text[ERR_POINTER_MAX];
};

static struct pointer below(const char *pointer, const char *key)
{
    struct pointer at;

    (void)snprintf(at.text, sizeof at.text, "%s/%.*s", pointer, NAME_LENGTH, key);
    return at;
}

static struct pointer below_n(const char *pointer, size_t n)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%zu", n);
    return below(pointer, text);
}

static bool check_members(struct json object, const char *pointer, const struct member *members, size_t n, struct err *err)
{
    struct json_iter iter = json_iter(object);
    struct json key, value;

    if (object.type != JSON_T_OBJECT)
        return err_set(err, "wrong_type", pointer, "must be an object");
    while (json_next_member(&iter, &key, &value)) {
        char *name AUTO_FREE = json_text(key);
        struct pointer at = below(pointer, name);
        size_t i = 0;

        while (i < n && strcmp(members[i].name, name) != 0)
            i++;
        if (i == n)
            return err_set(err, "unknown_member", at.text, "there is no such member");
        if (!members[i].check(value, at.text, err))
            return false;
    }
    for (size_t i = 0; i < n; i++)
        if (members[i].required && json_get(object, members[i].name).type == JSON_T_NONE)
            return err_set(err, "missing_member", below(pointer, members[i].name).text, "is missing");
    return true;
}

/* --- Values --- */

static bool check_one_of(struct json value, const char *pointer, const char *const *words, struct err *err)
{
    for (; value.type == JSON_T_STRING && *words; words++)
        if (json_is(value, *words))
            return true;
    return err_set(err, "bad_value", pointer, "is none of the words that may stand here");
}

static bool check_scheme(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"hmac", "ecdsa", "token", "sns", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_hash(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"sha256", "sha1", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_encoding(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"hex", "base64", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_key_encoding(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"text", "base64", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_body(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"json", "form", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_unit(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"rfc3339", "s", "ms", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_as(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"number", "text", "upper", "bool", "minor_units", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_replay(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"once", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_answer(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"echo", "hmac", NULL};

    return check_one_of(value, pointer, words, err);
}

static bool check_name(struct json value, const char *pointer, struct err *err)
{
    if (value.type != JSON_T_STRING || value.len <= 2 || json_length(value) > NAME_LENGTH)
        return err_set(err, "bad_value", pointer, "must be a text of 1 to %d characters", NAME_LENGTH);
    return true;
}

static bool check_affix(struct json value, const char *pointer, struct err *err)
{
    if (value.type != JSON_T_STRING || value.len <= 2 || value.len > 32 || memchr(value.at, '\\', value.len))
        return err_set(err, "bad_value", pointer, "must be a text of 1 to 30 characters without a backslash");
    return true;
}

static bool check_separator(struct json value, const char *pointer, struct err *err)
{
    if (value.type != JSON_T_STRING || value.len != 3)
        return err_set(err, "bad_value", pointer, "must be one character");
    return true;
}

static bool check_seconds(struct json value, const char *pointer, struct err *err)
{
    int64_t seconds;

    return json_int(value, 1, 7 * 86400, &seconds) ? true : err_set(err, "bad_value", pointer, "must be 1 to 604800 seconds");
}

static bool check_bool(struct json value, const char *pointer, struct err *err)
{
    if (value.type != JSON_T_TRUE && value.type != JSON_T_FALSE)
        return err_set(err, "wrong_type", pointer, "must be true or false");
    return true;
}

static bool check_any(struct json value, const char *pointer, struct err *err)
{
    (void)value;
    (void)pointer;
    (void)err;
    return true;
}

/* --- Paths, places, templates --- */

/* A path that leads to one text of the request: header:…, query:… or body:…. */
static bool check_place(struct json value, const char *pointer, struct err *err)
{
    static const char body[] = "body:";
    bool scoped = value.len > 1 + sizeof body && memcmp(value.at + 1, body, sizeof body - 1) == 0;
    struct json path = value;

    if (value.type != JSON_T_STRING)
        return err_set(err, "bad_path", pointer, "must be header:NAME, query:NAME or body:PATH");
    if (scoped) { /* what is left is a string, too, as far as look_path_ok looks */
        path.at += sizeof body - 1;
        path.len -= sizeof body - 1;
    } else if (value.len < 9 || (memcmp(value.at + 1, "header:", 7) != 0 && memcmp(value.at + 1, "query:", 6) != 0)) {
        return err_set(err, "bad_path", pointer, "must be header:NAME, query:NAME or body:PATH");
    }
    return look_path_ok(path, pointer, err);
}

static bool check_token_place(struct json value, const char *pointer, struct err *err)
{
    if (value.type == JSON_T_STRING && (json_is(value, "basic") || json_is(value, "bearer")))
        return true;
    return check_place(value, pointer, err);
}

static bool check_list(struct json list, const char *pointer, check_fn *check, struct err *err)
{
    struct json_iter iter = json_iter(list);
    struct json value;
    size_t n = 0;

    if (list.type != JSON_T_ARRAY)
        return err_set(err, "wrong_type", pointer, "must be an array");
    while (json_next_element(&iter, &value))
        if (!check(value, below_n(pointer, n++).text, err))
            return false;
    return n > 0 && n <= RULES_MAX ? true : err_set(err, "bad_value", pointer, "must have 1 to %d items", RULES_MAX);
}

static bool check_places(struct json value, const char *pointer, struct err *err)
{
    return value.type == JSON_T_ARRAY ? check_list(value, pointer, check_place, err) : check_place(value, pointer, err);
}

static bool check_token_places(struct json value, const char *pointer, struct err *err)
{
    return check_list(value, pointer, check_token_place, err);
}

static bool check_paths(struct json value, const char *pointer, struct err *err)
{
    return value.type == JSON_T_ARRAY ? check_list(value, pointer, look_path_ok, err) : look_path_ok(value, pointer, err);
}

static bool check_path_list(struct json value, const char *pointer, struct err *err)
{
    return check_list(value, pointer, look_path_ok, err);
}

/* A template's names are paths, in a signature also the words in `words`. */
static bool check_parts(struct json value, const char *pointer, const char *const *words, struct err *err)
{
    struct template template = {.at = value.at + 1, .end = value.at + value.len - 1};
    struct template_part part;

    if (value.type != JSON_T_STRING || value.len <= 2 || memchr(value.at, '\\', value.len))
        return err_set(err, "bad_template", pointer, "a template is a text with {paths}, without a backslash");
    while (template_next(&template, &part)) {
        struct json path = {.type = JSON_T_STRING, .at = part.at - 1, .len = part.len + 2};
        const char *const *word = words;

        if (!part.name && *part.at == '{')
            return err_set(err, "bad_template", pointer, "a { has no }");
        while (*word && (strlen(*word) != part.len || memcmp(part.at, *word, part.len) != 0))
            word++;
        if (part.name && !*word && !(*words ? check_place(path, pointer, err) : look_path_ok(path, pointer, err)))
            return false;
    }
    return true;
}

static bool check_template(struct json value, const char *pointer, struct err *err)
{
    static const char *const none[] = {NULL};

    return check_parts(value, pointer, none, err);
}

static bool check_signed(struct json value, const char *pointer, struct err *err)
{
    static const char *const words[] = {"body", "timestamp", "url", "form", NULL};

    return check_parts(value, pointer, words, err);
}

/* --- Conditions and specs --- */

static bool check_condition(struct json value, const char *pointer, struct err *err)
{
    static const struct member members[] = {
        {"path", check_paths, true}, {"is", check_any, false}, {"not", check_any, false}, {"exists", check_bool, false}};

    return check_members(value, pointer, members, ARRAY_LEN(members), err);
}

static bool check_conditions(struct json value, const char *pointer, struct err *err)
{
    return value.type == JSON_T_ARRAY ? check_list(value, pointer, check_condition, err) : check_condition(value, pointer, err);
}

static bool check_decimals(struct json value, const char *pointer, struct err *err)
{
    struct json_iter iter = json_iter(value);
    struct json key, decimals;
    int64_t number;

    if (value.type != JSON_T_OBJECT)
        return err_set(err, "wrong_type", pointer, "must be an object of a currency's code and its decimals");
    while (json_next_member(&iter, &key, &decimals))
        if (!json_int(decimals, 0, 4, &number))
            return err_set(err, "bad_value", pointer, "decimals are 0 to 4");
    return true;
}

static bool check_specs_at(struct json specs, const char *pointer, unsigned depth, struct err *err);

static bool check_nested(struct json value, const char *pointer, struct err *err)
{
    return check_specs_at(value, pointer, 1, err);
}

static bool check_spec(struct json value, const char *pointer, bool nested, struct err *err)
{
    static const struct member members[] = {
        {"path", check_paths, false},        {"value", check_any, false},       {"sum", check_path_list, false},
        {"minus", check_path_list, false},   {"as", check_as, false},           {"currency", check_paths, false},
        {"decimals", check_decimals, false}, {"when", check_conditions, false}, {"each", look_path_ok, false},
        {"properties", check_nested, false},
    };
    int kinds = 0;

    if (value.type != JSON_T_OBJECT)
        return check_paths(value, pointer, err);
    if (!check_members(value, pointer, members, ARRAY_LEN(members) - (nested ? 2 : 0), err))
        return false;
    kinds += json_get(value, "path").type != JSON_T_NONE;
    kinds += json_get(value, "value").type != JSON_T_NONE;
    kinds += json_get(value, "sum").type != JSON_T_NONE || json_get(value, "minus").type != JSON_T_NONE;
    kinds += json_get(value, "each").type != JSON_T_NONE;
    if (kinds != 1)
        return err_set(err, "bad_value", pointer, "must have one of path, value, sum (or minus) and each");
    if ((json_get(value, "each").type == JSON_T_NONE) != (json_get(value, "properties").type == JSON_T_NONE))
        return err_set(err, "bad_value", pointer, "each and properties belong together");
    return true;
}

static bool check_specs_at(struct json specs, const char *pointer, unsigned depth, struct err *err)
{
    struct json_iter iter = json_iter(specs);
    struct json key, spec;

    if (specs.type != JSON_T_OBJECT)
        return err_set(err, "wrong_type", pointer, "must be an object");
    while (json_next_member(&iter, &key, &spec)) {
        char *name AUTO_FREE = json_text(key);

        if (!check_spec(spec, below(pointer, name).text, depth > 0, err))
            return false;
    }
    return true;
}

static bool check_specs(struct json value, const char *pointer, struct err *err)
{
    return check_specs_at(value, pointer, 0, err);
}

/* --- The parts of an entry --- */

static bool check_timestamp(struct json value, const char *pointer, struct err *err)
{
    static const struct member members[] = {{"path", check_paths, true}, {"unit", check_unit, false}};

    return check_members(value, pointer, members, ARRAY_LEN(members), err);
}

static bool check_person(struct json value, const char *pointer, struct err *err)
{
    static const struct member members[] = {{"user_id", check_paths, false},
                                            {"email", check_paths, false},
                                            {"email_was", check_paths, false},
                                            {"anonymous_id", check_template, false}};

    return check_members(value, pointer, members, ARRAY_LEN(members), err);
}

static bool check_challenge(struct json value, const char *pointer, struct err *err)
{
    static const struct member members[] = {{"query", check_name, true}, {"answer", check_answer, true}, {"token", check_name, false}};

    return check_members(value, pointer, members, ARRAY_LEN(members), err);
}

static bool check_money(struct json value, const char *pointer, struct err *err)
{
    static const struct member members[] = {{"currency", check_paths, true}, {"decimals", check_decimals, false}};

    return check_members(value, pointer, members, ARRAY_LEN(members), err);
}

static bool check_pings(struct json value, const char *pointer, struct err *err)
{
    return check_list(value, pointer, check_affix, err);
}

static bool check_id(struct json value, const char *pointer, struct err *err)
{
    return value.type == JSON_T_ARRAY ? check_list(value, pointer, check_template, err) : check_template(value, pointer, err);
}

static bool check_verify(struct json value, const char *pointer, struct err *err)
{
    static const struct member members[] = {
        {"scheme", check_scheme, true},      {"hash", check_hash, false},        {"signature", check_places, false},
        {"encoding", check_encoding, false}, {"prefix", check_affix, false},     {"separator", check_separator, false},
        {"signed", check_signed, false},     {"timestamp", check_place, false},  {"timestamp_prefix", check_affix, false},
        {"tolerance", check_seconds, false}, {"key_prefix", check_affix, false}, {"key_encoding", check_key_encoding, false},
        {"in", check_token_places, false},   {"replay", check_replay, false},
    };
    struct json scheme;

    if (!check_members(value, pointer, members, ARRAY_LEN(members), err))
        return false;
    scheme = json_get(value, "scheme");
    if (json_is(scheme, "token") && json_get(value, "in").type == JSON_T_NONE)
        return err_set(err, "missing_member", below(pointer, "in").text, "is missing: where the token stands");
    if ((json_is(scheme, "hmac") || json_is(scheme, "ecdsa")) && json_get(value, "signature").type == JSON_T_NONE)
        return err_set(err, "missing_member", below(pointer, "signature").text, "is missing: where the signature stands");
    if (json_get(value, "replay").type != JSON_T_NONE && json_get(value, "timestamp").type == JSON_T_NONE)
        return err_set(err, "missing_member", below(pointer, "timestamp").text,
                       "is missing: what comes once is remembered until it is stale");
    return true;
}

static bool check_rule(struct json value, const char *pointer, struct err *err)
{
    static const struct member members[] = {
        {"event", check_name, false},      {"identify", check_bool, false},
        {"when", check_conditions, false}, {"each", look_path_ok, false},
        {"id", check_id, false},           {"timestamp", check_timestamp, false},
        {"person", check_person, false},   {"properties", check_specs, false},
        {"context", check_specs, false},   {"traits", check_specs, false},
    };

    if (!check_members(value, pointer, members, ARRAY_LEN(members), err))
        return false;
    if (json_get(value, "event").type == JSON_T_NONE && json_get(value, "identify").type != JSON_T_TRUE)
        return err_set(err, "missing_member", below(pointer, "event").text, "is missing: a rule has an event, or identify");
    return true;
}

static bool check_map(struct json value, const char *pointer, struct err *err)
{
    struct json_iter iter = json_iter(value);
    struct json key, rules;

    if (value.type != JSON_T_OBJECT)
        return err_set(err, "wrong_type", pointer, "must be an object");
    while (json_next_member(&iter, &key, &rules)) {
        char *name AUTO_FREE = json_text(key);
        struct pointer at = below(pointer, name);

        if (rules.type == JSON_T_ARRAY ? !check_list(rules, at.text, check_rule, err) : !check_rule(rules, at.text, err))
            return false;
    }
    return true;
}

bool hook_check(struct json entry, const char *pointer, struct err *err)
{
    static const struct member members[] = {
        {"verify", check_verify, true},        {"challenge", check_challenge, false}, {"body", check_body, false},
        {"events", look_path_ok, false},       {"type", check_paths, false},          {"id", check_id, false},
        {"timestamp", check_timestamp, false}, {"person", check_person, true},        {"properties", check_specs, false},
        {"context", check_specs, false},       {"traits", check_specs, false},        {"map", check_map, true},
        {"money", check_money, false},         {"ping", check_pings, false},
    };

    if (entry.len > HOOK_ENTRY_MAX)
        return err_set(err, "too_large", pointer, "is larger than %d bytes", HOOK_ENTRY_MAX);
    return check_members(entry, pointer, members, ARRAY_LEN(members), err);
}
