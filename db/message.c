/* The job's end. A job owns its arrays and the two texts that all its spans point into, so freeing is a few frees.
 * It is here, not with api/collect, which fills jobs, because those who store them free them, too.
 * What a message means is in the header; how it is stored, in ingest.c. */
#include "db/message.h"

#include <stdlib.h>

void ingest_job_free(struct ingest_job *job)
{
    if (!job)
        return;
    free(job->messages);
    free(job->rejects);
    free(job->body);
    free(job->arena);
    free(job);
}
