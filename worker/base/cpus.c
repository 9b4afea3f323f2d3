#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first line of a file; false where there is none. */
static bool read_line(const char *path, char line[128])
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    bool found = fgets(line, 128, file) != NULL;
    fclose(file);
    return found;
}

static int whole_cpus(long long quota_us, long long period_us)
{
    if (quota_us <= 0 || period_us <= 0) {
        return INT_MAX;
    }
    long long cpus = (quota_us + period_us - 1) / period_us;
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

/* Of one group: version 2 keeps both numbers in a file ("max 100000": no quota), version 1 has a file for each (-1). */
static int quota_of(const char *group)
{
    char path[PATH_MAX];
    char line[128];
    char period[128];
    long long quota_us = 0;
    long long period_us = 0;
    if ((size_t)snprintf(path, sizeof path, "%s/cpu.max", group) < sizeof path && read_line(path, line)) {
        return sscanf(line, "%lld %lld", &quota_us, &period_us) == 2 ? whole_cpus(quota_us, period_us) : INT_MAX;
    }
    bool fits = (size_t)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", group) < sizeof path;
    if (!fits || !read_line(path, line)) {
        return INT_MAX;
    }
    fits = (size_t)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", group) < sizeof path;
    bool counts =
        fits && read_line(path, period) && sscanf(line, "%lld", &quota_us) == 1 && sscanf(period, "%lld", &period_us) == 1;
    return counts ? whole_cpus(quota_us, period_us) : INT_MAX;
}

/* The least of a group and all above it. In a container the path may be the host's, of which only the top is there. */
static int quota_along(const char *mount, const char *group)
{
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s%s", mount, group) >= sizeof path) {
        return INT_MAX;
    }
    int least = INT_MAX;
    for (;;) {
        int quota = quota_of(path);
        least = quota < least ? quota : least;
        char *slash = strrchr(path + strlen(mount), '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *at = controllers; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        size_t bytes = strcspn(at, ",");
        if (bytes == 3 && strncmp(at, "cpu", 3) == 0) {
            return true;
        }
    }
    return false;
}

/* "0::/a/b" is version 2's, "4:cpu,cpuacct:/a/b" version 1's. */
static int quota_of_line(const char *root, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':');
    char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
    if (group == NULL) {
        return INT_MAX;
    }
    *group++ = '\0';
    controllers++;
    bool unified = *controllers == '\0';
    if (!unified && !names_cpu(controllers)) {
        return INT_MAX;
    }
    char mount[PATH_MAX];
    bool fits = (size_t)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup%s", root, unified ? "" : "/cpu") < sizeof mount;
    return fits ? quota_along(mount, group) : INT_MAX;
}

static int quota_of_process(const char *root)
{
    char text[PATH_MAX];
    bool fits = (size_t)snprintf(text, sizeof text, "%s/proc/self/cgroup", root) < sizeof text;
    FILE *file = fits ? fopen(text, "re") : NULL;
    if (file == NULL) {
        return INT_MAX;
    }
    int least = INT_MAX;
    while (fgets(text, sizeof text, file) != NULL) {
        int quota = quota_of_line(root, text);
        least = quota < least ? quota : least;
    }
    fclose(file);
    return least;
}

int cpus_usable(const char *root)
{
    cpu_set_t set;
    long cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
    int quota = quota_of_process(root);
    cpus = quota < cpus ? quota : cpus;
    return cpus > 1 ? (int)cpus : 1;
}
