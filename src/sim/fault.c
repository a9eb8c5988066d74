#include "sim/fault.h"

#include "base/util.h"
#include "sim/options.h"

void faults_init(struct faults *f, const struct sim_options *o)
{
    *f = (struct faults){
        .keep = o->keep,
        .cut_every = o->cut_every,
        .loop_every = o->loop_every,
        .drop_every = o->drop_every,
        .cut_bytes = o->cut_bytes,
        .cut_ms = o->cut_ms,
    };
    f->late_ms[REQUEST_CONTROL] = (int64_t)o->late_ms;
}

void faults_done(struct faults *f)
{
    for (size_t i = 0; i < ARRAY_LENGTH(f->refuse); i++)
        free(f->refuse[i].text);
}

const struct refusal *faults_refuse(struct faults *f, enum request_kind kind)
{
    struct refusal *r = &f->refuse[kind];

    if (r->times == 0)
        return NULL;
    if (r->times != UINT64_MAX)
        r->times--;
    return r;
}
