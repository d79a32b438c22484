/* The table of problems. The one idea: a handler names what went wrong, and status, code and title follow from here alone.
 * An error that carries a code of its own (struct err) keeps it: its row then gives only status and title.
 * It writes no answer: api/answer.c does. */
#include "api/problem.h"

#include "server/base/attr.h"

static const struct problem_row rows[PROBLEM_COUNT] = {
    [PROBLEM_INVALID_JSON] = {"invalid_json", 400, "The body is not JSON"},
    [PROBLEM_BAD_BODY] = {"bad_body", 400, "The body cannot be used"},
    [PROBLEM_BAD_REQUEST] = {"bad_request", 400, "The request's head is ambiguous"},
    [PROBLEM_BODY_TOO_LARGE] = {"body_too_large", 413, "The body is too large"},
    [PROBLEM_HEAD_TOO_LARGE] = {"head_too_large", 431, "The request's head is too large"},
    [PROBLEM_BAD_ENCODING] = {"bad_encoding", 400, "The body's content encoding is broken or unknown"},
    [PROBLEM_UNKNOWN_PARAMETER] = {"unknown_parameter", 400, "Unknown query parameter"},
    [PROBLEM_BAD_PARAMETER] = {"bad_parameter", 400, "Bad query parameter"},
    [PROBLEM_BAD_CURSOR] = {"bad_cursor", 400, "The cursor does not belong to this query"},
    [PROBLEM_UNAUTHORIZED] = {"unauthorized", 401, "A valid key is needed"},
    [PROBLEM_BAD_SIGNATURE] = {"bad_signature", 401, "The webhook is not signed by its provider"},
    [PROBLEM_STALE_SIGNATURE] = {"stale_signature", 401, "The webhook was signed too long ago"},
    [PROBLEM_BAD_CHALLENGE] = {"bad_challenge", 403, "The challenge cannot be answered"},
    [PROBLEM_WRONG_ROLE] = {"wrong_role", 403, "The key's role does not allow this"},
    [PROBLEM_ORIGIN_NOT_ALLOWED] = {"origin_not_allowed", 403, "The source does not accept this origin"},
    [PROBLEM_NOT_FOUND] = {"not_found", 404, "There is nothing here"},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, "The path does not have this method"},
    [PROBLEM_NOT_ACCEPTABLE] = {"not_acceptable", 406, "No acceptable form of the answer"},
    [PROBLEM_KEY_TAKEN] = {"key_taken", 409, "A segment has this key"},
    [PROBLEM_NAME_TAKEN] = {"name_taken", 409, "A source has this name"},
    [PROBLEM_SEGMENT_IN_USE] = {"segment_in_use", 409, "Other segments refer to this one"},
    [PROBLEM_SOURCE_IN_USE] = {"source_in_use", 409, "The source has sent events"},
    [PROBLEM_NO_PROVIDER] = {"no_provider", 409, "The source takes no webhooks"},
    [PROBLEM_UNVERIFIABLE] = {"unverifiable", 409, "The source has no secret to verify webhooks with"},
    [PROBLEM_NOT_A_LIST] = {"not_a_list", 409, "The segment's members follow from its definition"},
    [PROBLEM_NOT_A_RULE] = {"not_a_rule", 409, "The segment is a list and has no definition"},
    [PROBLEM_CURSOR_EXPIRED] = {"cursor_expired", 410, "The feed no longer reaches back that far"},
    [PROBLEM_PRECONDITION_FAILED] = {"precondition_failed", 412, "The resource has changed"},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", 415, "The body's content type is not supported"},
    [PROBLEM_BAD_IDEMPOTENCY_KEY] = {"bad_idempotency_key", 400, "An Idempotency-Key is 1 to 128 characters of printable ASCII"},
    [PROBLEM_IDEMPOTENCY_RUNNING] = {"idempotency_running", 409, "The first request with this Idempotency-Key is still running"},
    [PROBLEM_IDEMPOTENCY_DONE] = {"idempotency_done", 409, "This was created; its answer held a secret and is not kept"},
    [PROBLEM_IDEMPOTENCY_MISMATCH] = {"idempotency_mismatch", 422, "This Idempotency-Key came with another request"},
    [PROBLEM_BAD_ROWS] = {"bad_rows", 422, "Some rows cannot be used"},
    [PROBLEM_BAD_ID] = {"bad_id", 422, "Nobody can have this id"},
    [PROBLEM_OUT_OF_HISTORY] = {"out_of_history", 422, "Nothing is known of that time"},
    [PROBLEM_INVALID] = {"invalid", 422, "The request cannot be carried out as it is"},
    [PROBLEM_INTERNAL] = {"internal", 500, "Something went wrong here"},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, "Too much is waiting"},
    [PROBLEM_UNAVAILABLE] = {"unavailable", 503, "The database cannot be reached"},
    [PROBLEM_TIMEOUT] = {"timeout", 503, "The answer took too long"},
};

const struct problem_row *problem_row(enum problem problem)
{
    ASSERT(problem < PROBLEM_COUNT && rows[problem].code);
    return &rows[problem];
}
