#include "base/cpus.h"
#include "support/check_main.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char root[64];

static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/cpus-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

/* With the folders above it. */
static void write_file(const char *path, const char *text)
{
    char whole[PATH_MAX];
    ck_assert_int_lt(snprintf(whole, sizeof whole, "%s%s", root, path), (int)sizeof whole);
    for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(whole, 0700);
        *at = '/';
    }
    FILE *file = fopen(whole, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static int cpus_by_affinity(void)
{
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    return CPU_COUNT(&set);
}

static const struct row {
    const char *what;
    const char *cgroup;
    const char *path[2]; /* with their text beside */
    const char *text[2];
    int cpus; /* INT_MAX: what the affinity says */
} rows[] = {
    {"no control groups", NULL, {NULL}, {NULL}, INT_MAX},
    {"version 2, no quota", "0::/\n", {"/sys/fs/cgroup/cpu.max"}, {"max 100000\n"}, INT_MAX},
    {"version 2, half a CPU", "0::/\n", {"/sys/fs/cgroup/cpu.max"}, {"50000 100000\n"}, 1},
    {"version 2, of a group", "0::/a/b\n", {"/sys/fs/cgroup/a/b/cpu.max"}, {"100000 100000\n"}, 1},
    {"version 2, of a group above", "0::/a/b\n", {"/sys/fs/cgroup/a/cpu.max", "/sys/fs/cgroup/a/b/cpu.max"},
     {"100000 100000\n", "max 100000\n"}, 1},
    {"version 2, the host's path", "0::/kubepods/x\n", {"/sys/fs/cgroup/cpu.max"}, {"99999 100000\n"}, 1},
    {"more than there are", "0::/\n", {"/sys/fs/cgroup/cpu.max"}, {"100000000 100000\n"}, INT_MAX},
    {"nonsense", "0::/\n", {"/sys/fs/cgroup/cpu.max"}, {"much\n"}, INT_MAX},
    {"a period of 0", "0::/\n", {"/sys/fs/cgroup/cpu.max"}, {"100000 0\n"}, INT_MAX},
    {"version 1", "5:memory:/m\n4:cpu,cpuacct:/a\n",
     {"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us"}, {"100000\n", "100000\n"}, 1},
    {"version 1, cpu named last", "4:cpuacct,cpu:/\n",
     {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"}, {"20000\n", "100000\n"}, 1},
    {"version 1, no quota", "4:cpu:/\n",
     {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"}, {"-1\n", "100000\n"}, INT_MAX},
    {"version 1, another controller's group", "4:cpuset:/\n",
     {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"}, {"100000\n", "100000\n"}, INT_MAX},
    {"a line that is none", "hello\n", {"/sys/fs/cgroup/cpu.max"}, {"100000 100000\n"}, INT_MAX},
};

START_TEST(counts_what_affinity_and_quota_leave)
{
    const struct row *row = &rows[_i];
    if (row->cgroup != NULL) {
        write_file("/proc/self/cgroup", row->cgroup);
    }
    for (size_t i = 0; i < 2 && row->path[i] != NULL; i++) {
        write_file(row->path[i], row->text[i]);
    }
    int expected = row->cpus < cpus_by_affinity() ? row->cpus : cpus_by_affinity();
    ck_assert_msg(cpus_usable(root) == expected, "%s: %d, not %d", row->what, cpus_usable(root), expected);
}
END_TEST

START_TEST(a_part_of_a_cpu_counts_whole)
{
    write_file("/proc/self/cgroup", "0::/\n");
    write_file("/sys/fs/cgroup/cpu.max", "100001 100000\n");
    ck_assert_int_eq(cpus_usable(root), cpus_by_affinity() > 1 ? 2 : 1);
}
END_TEST

START_TEST(a_process_bound_to_one_cpu_has_one)
{
    cpu_set_t all;
    cpu_set_t one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
        }
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    int cpus = cpus_usable("");
    ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
    ck_assert_int_eq(cpus, 1);
}
END_TEST

Suite *test_suite(void)
{
    Suite *suite = suite_create("cpus");
    TCase *tcase = tcase_create("cpus");
    tcase_add_checked_fixture(tcase, make_root, remove_root);
    tcase_add_loop_test(tcase, counts_what_affinity_and_quota_leave, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tcase, a_part_of_a_cpu_counts_whole);
    tcase_add_test(tcase, a_process_bound_to_one_cpu_has_one);
    suite_add_tcase(suite, tcase);
    return suite;
}
