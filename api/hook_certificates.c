/* A small cache. The one idea: SNS names its certificates by their content, so a URL that has verified once stays good until the
 * certificate runs out, which hook_sns_verify sees each time. What did not verify is not kept, so nobody fills it with rubbish. It
 * fetches nothing. */
#include "api/hook_certificates.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/alloc.h"

enum { KEPT_MAX = 16 };

struct hook_certificates {
    pthread_mutex_t mtx;
    /* guarded by mtx */
    char *urls[KEPT_MAX];
    char *pems[KEPT_MAX];
    size_t next;
};

struct hook_certificates *hook_certificates_new(void)
{
    struct hook_certificates *certificates = mem_zalloc(sizeof *certificates);

    pthread_mutex_init(&certificates->mtx, NULL);
    return certificates;
}

void hook_certificates_free(struct hook_certificates *certificates)
{
    for (size_t i = 0; i < KEPT_MAX; i++) {
        free(certificates->urls[i]);
        free(certificates->pems[i]);
    }
    pthread_mutex_destroy(&certificates->mtx);
    free(certificates);
}

bool hook_certificates_find(struct hook_certificates *certificates, const char *url, struct buf *pem)
{
    bool found = false;

    pthread_mutex_lock(&certificates->mtx);
    for (size_t i = 0; i < KEPT_MAX && !found; i++) {
        found = certificates->urls[i] && strcmp(certificates->urls[i], url) == 0;
        if (found)
            buf_add_text(pem, certificates->pems[i]);
    }
    pthread_mutex_unlock(&certificates->mtx);
    return found;
}

void hook_certificates_keep(struct hook_certificates *certificates, const char *url, const struct buf *pem)
{
    bool kept = false;
    size_t i;

    pthread_mutex_lock(&certificates->mtx);
    for (i = 0; i < KEPT_MAX && !kept; i++)
        kept = certificates->urls[i] && strcmp(certificates->urls[i], url) == 0;
    if (!kept) {
        i = certificates->next++ % KEPT_MAX;
        free(certificates->urls[i]);
        free(certificates->pems[i]);
        certificates->urls[i] = mem_strdup(url);
        certificates->pems[i] = mem_strndup(buf_text(pem), pem->len);
    }
    pthread_mutex_unlock(&certificates->mtx);
}
