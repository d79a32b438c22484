/* The script for web pages (web/tracker), and the neutral paths that it and other clients may use, which no list of an ad blocker knows. Pure; any thread. */
#pragma once

#include "api/api.h"

/* The path of the route table that a request's path stands for: config->tracker_path for the script; config->collect_prefix itself for
 * /v1/b and, with GET or HEAD, /v1/visitor/segments; behind it any path of the collect face (then *faces is left with that one alone);
 * any other for itself. Borrowed from path, or static. */
const char *tracker_route(const struct api_config *config, const char *method, const char *path, unsigned *faces);
