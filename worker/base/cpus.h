/* cpus: how many CPUs this process may keep busy.
 *
 * Any thread; reads small files of the kernel each time. */
#ifndef RXP_BASE_CPUS_H
#define RXP_BASE_CPUS_H

/* The CPUs that its affinity allows, or what the quota of its control group, or of one above it, comes to, if that is
 * less: a container that may use 1.5 CPUs of 64 has 2. At least 1. Both versions of control groups (cgroups(7)).
 * root: what stands before /proc and /sys/fs/cgroup: "" but in tests. */
int cpus_usable(const char *root);

#endif
