/* profile_file: one profile, read from its JSON (profiles.h shows it).
 *
 * Pure, any thread. A plain value that owns its memory. */
#ifndef RXP_ENGINE_PROFILE_FILE_H
#define RXP_ENGINE_PROFILE_FILE_H

#include "protocol/http_plan.h"

#include <stdbool.h>
#include <stddef.h>

#define PROFILE_WHY_BYTES 800

/* `file`: its name, "archon.json", which sentences begin with. 0, or -1 with a sentence in why and *out empty. */
int profile_file_read(const char *file, const char *text, size_t bytes, bool only, struct rxp_defaults *out,
                      char why[PROFILE_WHY_BYTES]);
void profile_file_deinit(struct rxp_defaults *defaults);

#endif
