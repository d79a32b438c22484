/* The one table of what can go wrong: code, status, title. Clients rely on the code; openapi.yaml lists the same codes. */
#pragma once

enum problem {
    PROBLEM_INVALID_JSON,
    PROBLEM_BAD_BODY, /* of collect, with the code of api/collect */
    PROBLEM_BODY_TOO_LARGE,
    PROBLEM_HEAD_TOO_LARGE,
    PROBLEM_BAD_ENCODING,
    PROBLEM_UNKNOWN_PARAMETER,
    PROBLEM_BAD_PARAMETER,
    PROBLEM_BAD_CURSOR,
    PROBLEM_UNAUTHORIZED,
    PROBLEM_WRONG_ROLE,
    PROBLEM_ORIGIN_NOT_ALLOWED,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_NOT_ACCEPTABLE,
    PROBLEM_KEY_TAKEN,
    PROBLEM_NAME_TAKEN,
    PROBLEM_SEGMENT_IN_USE,
    PROBLEM_SOURCE_IN_USE,
    PROBLEM_NOT_A_LIST,
    PROBLEM_NOT_A_RULE,
    PROBLEM_CURSOR_EXPIRED,
    PROBLEM_PRECONDITION_FAILED,
    PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    PROBLEM_BAD_IDEMPOTENCY_KEY,
    PROBLEM_IDEMPOTENCY_RUNNING,
    PROBLEM_IDEMPOTENCY_DONE,
    PROBLEM_IDEMPOTENCY_MISMATCH,
    PROBLEM_BAD_ROWS,
    PROBLEM_BAD_ID,
    PROBLEM_OUT_OF_HISTORY,
    PROBLEM_INVALID, /* 422, with the code of what was found */
    PROBLEM_INTERNAL,
    PROBLEM_OVERLOADED,
    PROBLEM_UNAVAILABLE,
    PROBLEM_TIMEOUT,
    PROBLEM_COUNT
};

struct problem_row {
    const char *code;
    unsigned status;
    const char *title;
};

/* Never NULL. */
const struct problem_row *problem_row(enum problem problem);
