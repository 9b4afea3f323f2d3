#include "core/fit.h"

void fit_init(struct fit *fit)
{
    *fit = (struct fit){.alone_most = FIT_ALONE};
}

/* As large as one that was refused: the topic takes more now, or it is one that can be compressed. Then they are told apart by
 * trying. */
void fit_note_accepted(struct fit *fit, size_t bytes)
{
    if (fit->is_stale && bytes >= fit->refused_bytes)
        fit->refused_bytes = 0;
}

void fit_note_refused(struct fit *fit, size_t bytes, int64_t now_ms)
{
    if (bytes == 0 || (fit->refused_bytes != 0 && bytes >= fit->refused_bytes && !fit->is_stale))
        return;
    fit->refused_bytes = bytes;
    fit->refused_ms = now_ms;
    fit->is_stale = false;
}

void fit_turn(struct fit *fit, int64_t now_ms)
{
    if (fit->refused_bytes != 0 && now_ms - fit->refused_ms >= FIT_BELIEVED_MS)
        fit->is_stale = true;
}

void fit_note_cut(struct fit *fit)
{
    fit->alone_most = fit->alone_most > 4 ? fit->alone_most / 4 : 1;
}

void fit_note_committed(struct fit *fit)
{
    if (fit->alone_most < FIT_ALONE)
        fit->alone_most++;
}

bool fit_is_too_large(const struct fit *fit, size_t bytes)
{
    return fit->refused_bytes != 0 && !fit->is_stale && bytes >= fit->refused_bytes;
}
