/* libcurl, and the only place that knows it. The one idea: what is fetched is small and named by a URL that the caller has held against
 * a list of hosts, so everything that would leave that URL is off: no other scheme, no redirect, no credentials, no cookies. It keeps
 * nothing between calls and does not decide what may be fetched. */
#include "server/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>

#include "server/base/log.h"

enum { TIMEOUT_S = 5 };

void fetch_begin(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        BUG("libcurl does not start");
}

void fetch_end(void)
{
    curl_global_cleanup();
}

static size_t take(char *bytes, size_t size, size_t n, void *context)
{
    struct buf *body = context;

    buf_add(body, bytes, size * n);
    return buf_ok(body) ? size * n : 0;
}

static CURL *prepare(const char *url, struct buf *body)
{
    CURL *curl = curl_easy_init();
    const char *authorities = getenv("SSL_CERT_FILE");

    if (!curl)
        BUG("libcurl gives no handle");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (authorities && *authorities)
        curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
    return curl;
}

bool fetch_https(const char *url, struct buf *body)
{
    CURL *curl = prepare(url, body);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;

    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code == CURLE_OK && status == 200)
        return true;
    log_warn("not fetched", LOG_FIELD("url", LOG_TEXT(url)), LOG_FIELD("status", LOG_INT(status)),
             LOG_FIELD("error", LOG_TEXT(curl_easy_strerror(code))), );
    return false;
}
