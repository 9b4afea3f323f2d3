#include "stint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double cpu_seconds(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static void mark(struct rusage *usage, int64_t *ns)
{
    getrusage(RUSAGE_SELF, usage);
    *ns = now_ns();
}

void stint_init(struct stint *stint, uint64_t warm, uint64_t count)
{
    *stint = (struct stint){.warm = warm, .count = count};
    if (warm == 0) {
        mark(&stint->begin, &stint->begin_ns);
    }
}

bool stint_begin(struct stint *stint)
{
    /* Those to get warm with have ended before the first that counts begins. */
    if (stint->begun == stint->warm && stint->done < stint->warm) {
        return false;
    }
    if (stint->count > 0 && stint->begun == stint->warm + stint->count) {
        return false;
    }
    stint->begun++;
    return true;
}

void stint_end(struct stint *stint)
{
    stint->done++;
    if (stint->done == stint->warm) {
        mark(&stint->begin, &stint->begin_ns);
    }
    if (stint_is_over(stint)) {
        mark(&stint->end, &stint->end_ns);
    }
}

bool stint_is_over(const struct stint *stint)
{
    return stint->count > 0 && stint->done == stint->warm + stint->count;
}

void stint_print(const struct stint *stint)
{
    struct rusage whole;
    getrusage(RUSAGE_SELF, &whole);
    printf("{\"count\":%llu,\"cpu_us\":%.3f,\"rate\":%.1f,\"whole_seconds\":%.6f}\n", (unsigned long long)stint->count,
           (cpu_seconds(&stint->end) - cpu_seconds(&stint->begin)) / (double)stint->count * 1e6,
           (double)stint->count / ((double)(stint->end_ns - stint->begin_ns) / 1e9), cpu_seconds(&whole));
    fflush(stdout);
}

void fail(const char *format, ...)
{
    int error = errno;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, error != 0 ? ": %s\n" : "\n", strerror(error));
    exit(1);
}

int origin_port(const char *origin)
{
    const char *colon = strrchr(origin, ':');
    int port = colon ? atoi(colon + 1) : 0;
    if (strncmp(origin, "http://127.0.0.1:", 17) != 0 || port <= 0 || port > 65535) {
        errno = 0;
        fail("'%s' is no http://127.0.0.1:PORT", origin);
    }
    return port;
}
