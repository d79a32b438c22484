/* What is asked of the person herself, for the judge: traits, consents, a user id, a random share. The one idea: traits and consents are not read, but
 * most people have none yet, and then a condition on them is one on a missing value. The answers are those of compile_condition.c, for a path with
 * [] as for one without. */
#include "segment/judge_parts.h"

#include <string.h>

/* With its NUL, which is the separator. */
enum { SALT_SIZE = 4 * TEXT_CHARS_MAX + 1 };

enum verdict judge_trait(const struct judge_facts *facts, const struct node *node)
{
    return facts->no_traits ? judge_verdict(leaf_of_nothing(&node->tests)) : VERDICT_UNSURE;
}

enum verdict judge_consent(const struct judge_facts *facts, const struct node *node)
{
    return facts->no_consents ? judge_verdict(consent_of_unknown(&node->tests)) : VERDICT_UNSURE;
}

enum verdict judge_identified(const struct judge_facts *facts, const struct node *node)
{
    for (size_t i = 0; i < node->tests.n; i++) {
        const struct test *test = &node->tests.items[i];

        if (((test->operands->text[0] == 't') == (test->op == OP_EQ)) != facts->identified)
            return VERDICT_NO;
    }
    return VERDICT_YES;
}

/* bucket_of: the first 4 bytes of SHA-256(salt ‖ 0x00 ‖ profile id), big-endian, mod 10,000. */
enum verdict judge_bucket(const struct judge_facts *facts, const struct node *node)
{
    uint8_t bytes[SALT_SIZE + ID_SIZE], digest[KEY_HASH_SIZE];
    size_t size = strlen(node->key) + 1;
    uint32_t share;

    if (!facts->profile)
        return VERDICT_UNSURE;
    ASSERT(size <= SALT_SIZE);
    memcpy(bytes, node->key, size);
    memcpy(bytes + size, facts->profile->bytes, ID_SIZE);
    sha256(bytes, size + ID_SIZE, digest);
    share = ((uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 | digest[3]) % 10000;
    return judge_verdict(share >= node->low && share < node->high);
}
