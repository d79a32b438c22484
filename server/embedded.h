/* A PostgreSQL of our own under a data directory, for those who give no DATABASE_URL: made at the first start, reached by a Unix socket
 * only. */
#pragma once

#include "server/base/attr.h"

struct embedded;

/* Uses the cluster under dir (made if missing, with its parents): one that runs already (another cohortd's, or left by one that was
 * killed) as it is, else it is started, and again whenever it dies. As root PostgreSQL runs as the user postgres, who then owns dir.
 * Waits until it accepts connections: after a crash that takes as long as its recovery. NULL: logged. */
struct embedded *embedded_start(const char *dir) MUST_CHECK;
/* Its URL, owned by it. */
const char *embedded_url(const struct embedded *embedded);
/* Stops the cluster, cleanly, unless another cohortd uses it; and frees. */
void embedded_stop(struct embedded *embedded);
