/* checkpoints_driver: kafka/checkpoints without a consumer, driven by lines, for tests with a real broker.
 *
 *   checkpoints_driver BROKERS CHECKPOINTS_TOPIC GROUP INPUT[,INPUT...] [PROPERTY=VALUE...]
 *
 * reads from stdin:  read TOPIC PARTITION    an assignment comes, and its checkpoints are asked for
 *                    end TOPIC PARTITION     the latest one of that name ends
 *                    quit                    (as the end of the input)
 * and writes lines with tabs between:  changed N | ready TOPIC PARTITION COUNT MS |
 *     entry TOPIC PARTITION OFFSET run|intent|unreadable WRITERS VALUE (of the first 100) | released TOPIC PARTITION |
 *     fatal REASON | freed MS
 * A value is what its first letter says: r, i, n (too new), else unreadable. */
#include "base/clock.h"
#include "base/mailbox.h"
#include "kafka/assignment.h"
#include "kafka/checkpoints.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ASSIGNMENTS_MAX = 256, INPUTS_MAX = 16, PROPERTIES_MAX = 16, ENTRIES_SHOWN = 100 };

struct seat {
    struct assignment *assignment;
    int64_t asked_ms;
    bool released;
};

struct driver {
    struct checkpoints *checkpoints;
    struct seat seats[ASSIGNMENTS_MAX];
    size_t n_seats;
    bool fatal;
};

static enum checked check(const char *value, size_t value_bytes, void *opaque)
{
    (void)opaque;
    char first = value_bytes > 0 ? value[0] : '?';
    return first == 'r' ? CHECKED_RUN : first == 'i' ? CHECKED_INTENT : first == 'n' ? CHECKED_TOO_NEW : CHECKED_UNREADABLE;
}

/* On the thread of the checkpoints: stdio has a lock of its own. */
static void topic_changed(int partitions, void *opaque)
{
    (void)opaque;
    printf("changed\t%d\n", partitions);
}

static struct seat *seat_of(struct driver *driver, const struct assignment *assignment)
{
    for (size_t i = 0; i < driver->n_seats; i++) {
        if (driver->seats[i].assignment == assignment)
            return &driver->seats[i];
    }
    abort();
}

static void ready(struct assignment *assignment, struct checkpoint_table *table, void *opaque)
{
    static const char *const names[] = {"unreadable", "intent", "run", "too new"};
    const struct checkpoint_entry *entry;
    size_t at = 0;
    printf("ready\t%s\t%d\t%zu\t%lld\n", assignment->topic, (int)assignment->partition, checkpoint_table_count(table),
           (long long)(clock_mono_ms() - seat_of(opaque, assignment)->asked_ms));
    for (int shown = 0; shown < ENTRIES_SHOWN && (entry = checkpoint_table_next(table, &at)) != NULL; shown++) {
        printf("entry\t%s\t%d\t%lld\t%s\t", assignment->topic, (int)assignment->partition, (long long)entry->offset,
               names[entry->found]);
        for (size_t i = 0; i < entry->n_writers; i++)
            printf("%s%llx", i > 0 ? "," : "", (unsigned long long)entry->writers[i]);
        printf("\t%s\n", entry->value);
    }
    checkpoint_table_free(table);
}

static void fatal(const char *reason, void *opaque)
{
    struct driver *driver = opaque;
    driver->fatal = true;
    printf("fatal\t%s\n", reason);
}

static void obey(struct driver *driver, const char *line)
{
    char verb[10];
    char topic[250];
    int partition;
    if (sscanf(line, "%9s %249s %d", verb, topic, &partition) != 3)
        return;
    if (strcmp(verb, "end") == 0) {
        for (size_t i = driver->n_seats; i-- > 0;) {
            struct assignment *assignment = driver->seats[i].assignment;
            if (assignment->partition == partition && strcmp(assignment->topic, topic) == 0) {
                tenure_set(&assignment->tenure, TENURE_OVER);
                return;
            }
        }
    }
    if (strcmp(verb, "read") != 0 || driver->n_seats == ASSIGNMENTS_MAX)
        return;
    struct seat *seat = &driver->seats[driver->n_seats++];
    seat->assignment = assignment_new(topic, partition, driver->n_seats);
    seat->asked_ms = clock_mono_ms();
    if (seat->assignment == NULL)
        abort();
    if (checkpoints_read(driver->checkpoints, seat->assignment) != 0)
        abort();
}

static void tell_released(struct driver *driver)
{
    for (size_t i = 0; i < driver->n_seats; i++) {
        struct seat *seat = &driver->seats[i];
        if (seat->released || seat->assignment->holders > 1)
            continue;
        seat->released = true;
        printf("released\t%s\t%d\n", seat->assignment->topic, (int)seat->assignment->partition);
    }
}

/* False at the end of the input. */
static bool serve_input(struct driver *driver)
{
    static char kept[65536];
    static size_t bytes;
    ssize_t n = read(STDIN_FILENO, kept + bytes, sizeof kept - 1 - bytes);
    if (n <= 0)
        return false;
    bytes += (size_t)n;
    kept[bytes] = '\0';
    char *line = kept;
    for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strcmp(line, "quit") == 0)
            return false;
        obey(driver, line);
    }
    bytes -= (size_t)(line - kept);
    memmove(kept, line, bytes);
    return true;
}

static void drive(struct driver *driver, int event_fd)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = event_fd, .events = POLLIN}};
    bool goes_on = true;
    while (goes_on) {
        (void)poll(fds, 2, 1000);
        mailbox_drain_fd(event_fd);
        if (fds[0].revents != 0)
            goes_on = serve_input(driver);
        checkpoints_turn(driver->checkpoints);
        tell_released(driver);
    }
}

int main(int argc, char **argv)
{
    static struct driver driver;
    struct kafka_property properties[PROPERTIES_MAX];
    const char *inputs[INPUTS_MAX];
    char why[400];
    if (argc < 5 || argc - 5 > PROPERTIES_MAX)
        return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct checkpoints_config config = {
        .settings = {.bootstrap_servers = argv[1], .group_id = argv[3], .properties = properties},
        .topic = argv[2],
        .inputs = inputs,
        .group_id = argv[3],
        .event_fd = event_fd,
    };
    for (char *name = strtok(argv[4], ","); name != NULL && config.n_inputs < INPUTS_MAX; name = strtok(NULL, ","))
        inputs[config.n_inputs++] = name;
    for (int i = 5; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL)
            return 2;
        *value = '\0';
        properties[config.settings.n_properties++] = (struct kafka_property){argv[i], value + 1};
    }
    struct checkpoints_hooks hooks = {
        .check = check, .topic_changed = topic_changed, .ready = ready, .fatal = fatal, .opaque = &driver};
    driver.checkpoints = checkpoints_new(&config, &hooks, why, sizeof why);
    if (driver.checkpoints == NULL) {
        printf("fatal\t%s\n", why);
        return 1;
    }
    drive(&driver, event_fd);
    int64_t from_ms = clock_mono_ms();
    checkpoints_free(driver.checkpoints);
    printf("freed\t%lld\n", (long long)(clock_mono_ms() - from_ms));
    tell_released(&driver);
    for (size_t i = 0; i < driver.n_seats; i++)
        assignment_release(driver.seats[i].assignment);
    close(event_fd);
    return driver.fatal ? 1 : 0;
}
