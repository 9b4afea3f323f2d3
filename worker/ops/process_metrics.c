#include "ops/process_metrics.h"

#include "ops/metrics.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A file of /proc, cut at room - 1 bytes; "" where it cannot be read. */
static void read_file(const char *path, char *out, size_t room)
{
    size_t bytes = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        bytes = fread(out, 1, room - 1, file);
        fclose(file);
    }
    out[bytes] = '\0';
}

static void one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    metrics_family(out, name, type, help);
    metrics_sample(out, name, NULL, value);
}

/* When the machine began, Unix time; 0: not known. */
static double boot_seconds(void)
{
    char text[32768]; /* a line a CPU and one for interrupts stand before it */
    read_file("/proc/stat", text, sizeof text);
    const char *at = strstr(text, "\nbtime ");
    return at != NULL ? strtod(at + 7, NULL) : 0;
}

struct stat_numbers {
    unsigned long utime;
    unsigned long stime;
    long threads;
    unsigned long long start; /* in ticks since the machine began */
    unsigned long virtual_bytes;
    long resident_pages;
};

/* proc(5): the name of the program, in brackets, may hold anything; what follows it is numbers. */
static bool read_stat(struct stat_numbers *n)
{
    char text[2048];
    read_file("/proc/self/stat", text, sizeof text);
    const char *at = strrchr(text, ')');
    return at != NULL &&
           sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %ld %*d %llu %lu %ld", &n->utime,
                  &n->stime, &n->threads, &n->start, &n->virtual_bytes, &n->resident_pages) == 6;
}

double process_started_seconds(void)
{
    struct stat_numbers n;
    double booted = boot_seconds();
    return booted > 0 && read_stat(&n) ? booted + (double)n.start / (double)sysconf(_SC_CLK_TCK) : 0;
}

static void write_stat(struct buf *out, double started_seconds)
{
    struct stat_numbers n;
    if (!read_stat(&n))
        return;
    one(out, "process_cpu_seconds_total", "counter", "CPU time used, user and system.",
        (double)(n.utime + n.stime) / (double)sysconf(_SC_CLK_TCK));
    one(out, "process_resident_memory_bytes", "gauge", "Memory in use.",
        (double)n.resident_pages * (double)sysconf(_SC_PAGESIZE));
    one(out, "process_virtual_memory_bytes", "gauge", "Address space in use.", (double)n.virtual_bytes);
    one(out, "process_threads", "gauge", "Threads.", (double)n.threads);
    if (started_seconds > 0)
        one(out, "process_start_time_seconds", "gauge", "When the process began, Unix time.", started_seconds);
}

static void write_files(struct buf *out)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    if (dir != NULL) {
        int n = -1; /* the directory's own */
        while (readdir(dir) != NULL) // NOLINT(concurrency-mt-unsafe): a stream of its own
            n++;
        closedir(dir);
        one(out, "process_open_fds", "gauge", "Open file descriptors.", n - 2); /* "." and ".." */
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        one(out, "process_max_fds", "gauge", "Open file descriptors at most.", (double)limit.rlim_cur);
}

void process_metrics_write(struct buf *out, double started_seconds)
{
    write_stat(out, started_seconds);
    write_files(out);
}
