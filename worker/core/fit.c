#include "core/fit.h"

void fit_init(struct fit *fit)
{
    *fit = (struct fit){.alone_most = FIT_ALONE, .alone_left = FIT_ALONE};
}

/* As large as one that was refused: the topic takes more now, or it is one that can be compressed. Then they are told apart by
 * trying. */
void fit_note_accepted(struct fit *fit, size_t bytes)
{
    if (bytes > fit->accepted_bytes)
        fit->accepted_bytes = bytes;
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
    /* What was taken before is not any more, or could be compressed. */
    if (fit->accepted_bytes >= bytes)
        fit->accepted_bytes = bytes - 1;
}

void fit_turn(struct fit *fit, int64_t now_ms)
{
    if (fit->refused_bytes != 0 && now_ms - fit->refused_ms >= FIT_BELIEVED_MS)
        fit->is_stale = true;
    fit->alone_left = fit->alone_most;
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

bool fit_take_alone(struct fit *fit)
{
    if (fit->alone_left == 0)
        return false;
    fit->alone_left--;
    return true;
}

bool fit_is_too_large(const struct fit *fit, size_t bytes)
{
    return fit->refused_bytes != 0 && !fit->is_stale && bytes >= fit->refused_bytes;
}

bool fit_is_new(const struct fit *fit, size_t bytes)
{
    return bytes > fit->accepted_bytes;
}

bool fit_is_in_doubt(const struct fit *fit, size_t bytes)
{
    return fit->refused_bytes != 0 && bytes > fit->accepted_bytes && bytes >= fit->refused_bytes / 2 &&
           !fit_is_too_large(fit, bytes);
}
