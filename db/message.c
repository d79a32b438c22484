/* The job's end. A job owns its arrays and the two texts that all its spans point into, so freeing is four frees; it is here, not with
 * those who fill jobs, because the writer's side frees them, too. */
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
