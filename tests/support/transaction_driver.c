/* transaction_driver: worker/kafka/transaction in a process of its own, told by lines what to do, for a real broker.
 *
 *     transaction_driver FIFO BOOTSTRAP TRANSACTIONAL_ID GROUP INPUT OUTPUT TIMEOUT_MS
 *
 * It reads from the FIFO:
 *     batch NAME OFFSET METADATA COUNT BYTES PAUSE_MS HUGE ONCE
 *                  COUNT messages "NAME-i …" of so many bytes (number HUGE, if not -1, of 2 MiB) to OUTPUT, and the offset of
 *                  partition 0 of INPUT. In the middle it sleeps, at most until it is to go on or to quit. What is
 *                  aborted is tried again unless ONCE is 1: refused messages alone, then not at all
 *     go           on, with the batch in the middle of which it sleeps, and with later ones
 *     join         becomes a member of the group, and keeps the group's metadata of this moment
 *     fresh        takes its metadata of now
 *     quit
 * and writes: settled NAME committed|aborted|lost old=0|1 refused=i,i,… REASON; half NAME; joined; fatal REASON; ended MS */
#include "base/clock.h"
#include "base/mailbox.h"
#include "kafka/transaction.h"
#include "ops/log.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MOST = 100000, HUGE_BYTES = 2 << 20 };
enum fate { TOGETHER, ALONE, SHED };

struct driver {
    const char *input;
    const char *output;
    const char *group_id;
    struct transaction *transaction;
    rd_kafka_t *consumer;
    rd_kafka_consumer_group_metadata_t *kept; /* NULL: that of no member */
    struct kafka_settings settings;
    atomic_bool goes_on;

    char name[64];
    char metadata[64];
    long long offset;
    int count;
    int bytes;
    int pause_ms;
    int huge;
    int once;
    enum fate fates[MOST];
    char *value;
};

static void hand_over(struct driver *driver)
{
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(offsets, driver->input, 0);
    at->offset = driver->offset;
    at->metadata = strdup(driver->metadata);
    at->metadata_size = strlen(driver->metadata);
    rd_kafka_consumer_group_metadata_t *group = NULL;
    if (driver->kept != NULL) {
        void *bytes = NULL;
        size_t n = 0;
        rd_kafka_error_t *error = rd_kafka_consumer_group_metadata_write(driver->kept, (void **)&bytes, &n);
        assert(error == NULL);
        error = rd_kafka_consumer_group_metadata_read(&group, bytes, n);
        assert(error == NULL);
        rd_kafka_mem_free(NULL, bytes);
    } else {
        group = rd_kafka_consumer_group_metadata_new(driver->group_id);
    }
    transaction_commit(driver->transaction, driver, offsets, group);
}

static void on_produce(struct transaction *transaction, void *batch, void *opaque)
{
    struct driver *driver = opaque;
    assert(batch == driver);
    for (int i = 0; i < driver->count; i++) {
        if (i == driver->count / 2 && driver->pause_ms > 0) {
            printf("half %s\n", driver->name);
            for (int slept_ms = 0; slept_ms < driver->pause_ms && !atomic_load(&driver->goes_on); slept_ms += 10)
                usleep(10 * 1000);
        }
        if (driver->fates[i] == SHED)
            continue;
        int n = snprintf(driver->value, 80, "%s-%d ", driver->name, i);
        driver->value[n] = 'x';
        struct publisher_message message = {
            .topic = driver->output, .partition = -1, .alone = driver->fates[i] == ALONE, .key = driver->value,
            .key_bytes = (size_t)n, .value = driver->value,
            .value_bytes = i == driver->huge ? HUGE_BYTES : (size_t)driver->bytes, .opaque = &driver->fates[i]};
        if (transaction_produce(transaction, &message) == PUBLISHER_FATAL)
            return;
    }
}

static void on_settled(void *batch, const struct transaction_settled *settled, void *opaque)
{
    static const char *const words[] = {"committed", "aborted", "lost"};
    struct driver *driver = opaque;
    assert(batch == driver);
    printf("settled %s %s old=%d refused=", driver->name, words[settled->outcome], settled->generation_old);
    for (size_t i = 0; i < settled->n_refused; i++) {
        enum fate *fate = settled->refused[i];
        printf("%s%d", i > 0 ? "," : "", (int)(fate - driver->fates));
        *fate = *fate == ALONE ? SHED : ALONE;
    }
    printf(" %s\n", settled->reason);
    if (settled->outcome == TRANSACTION_ABORTED && !driver->once)
        hand_over(driver);
}

static void on_fatal(const char *reason, void *opaque)
{
    (void)opaque;
    printf("fatal %s\n", reason);
}

static void take_metadata(struct driver *driver)
{
    if (driver->kept != NULL)
        rd_kafka_consumer_group_metadata_destroy(driver->kept);
    driver->kept = rd_kafka_consumer_group_metadata(driver->consumer);
}

static void serve_consumer(struct driver *driver, int wait_ms)
{
    if (driver->consumer == NULL)
        return;
    rd_kafka_message_t *message = rd_kafka_consumer_poll(driver->consumer, wait_ms);
    if (message != NULL)
        rd_kafka_message_destroy(message);
}

static void join(struct driver *driver)
{
    char why[CLIENT_CONF_WHY_BYTES];
    rd_kafka_conf_t *conf = client_conf_make(&driver->settings, CLIENT_CONSUMER, why);
    assert(conf != NULL);
    driver->consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert(driver->consumer != NULL);
    rd_kafka_poll_set_consumer(driver->consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, driver->input, RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(driver->consumer, topics);
    for (int n = 0; n == 0;) {
        rd_kafka_topic_partition_list_t *assigned = NULL;
        serve_consumer(driver, 50);
        rd_kafka_assignment(driver->consumer, &assigned);
        n = assigned->cnt;
        rd_kafka_topic_partition_list_destroy(assigned);
    }
    rd_kafka_topic_partition_list_destroy(topics);
    take_metadata(driver);
    printf("joined\n");
}

/* False at the end. */
static bool obey(struct driver *driver, const char *line)
{
    if (sscanf(line, "batch %63s %lld %63s %d %d %d %d %d", driver->name, &driver->offset, driver->metadata, &driver->count,
               &driver->bytes, &driver->pause_ms, &driver->huge, &driver->once) == 8) {
        assert(driver->count <= MOST && driver->bytes <= HUGE_BYTES);
        memset(driver->fates, 0, sizeof driver->fates);
        hand_over(driver);
    } else if (strncmp(line, "join", 4) == 0) {
        join(driver);
    } else if (strncmp(line, "fresh", 5) == 0) {
        take_metadata(driver);
    } else if (strncmp(line, "go", 2) == 0) {
        atomic_store(&driver->goes_on, true);
    }
    return strncmp(line, "quit", 4) != 0;
}

static void run(struct driver *driver, FILE *lines, int event_fd)
{
    char line[256];
    struct pollfd fds[] = {{.fd = fileno(lines), .events = POLLIN}, {.fd = event_fd, .events = POLLIN}};
    for (;;) {
        poll(fds, 2, driver->consumer != NULL ? 50 : -1);
        mailbox_drain_fd(event_fd);
        transaction_turn(driver->transaction);
        serve_consumer(driver, 0);
        if (fds[0].revents != 0 && fgets(line, sizeof line, lines) != NULL && !obey(driver, line))
            return;
    }
}

int main(int argc, char **argv)
{
    static struct driver driver;
    char why[512];
    assert(argc == 8);
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_set_level(LOG_INFO);
    /* Open for writing, too, so that it has no end. One line at a time is written, and read unbuffered, so that poll sees it. */
    FILE *lines = fdopen(open(argv[1], O_RDWR | O_CLOEXEC), "r");
    assert(lines != NULL);
    setvbuf(lines, NULL, _IONBF, 0);
    int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct kafka_property timeout = {"transaction.timeout.ms", argv[7]};
    driver.settings = (struct kafka_settings){.bootstrap_servers = argv[2], .group_id = argv[4]};
    driver.group_id = argv[4];
    driver.input = argv[5];
    driver.output = argv[6];
    driver.value = malloc(HUGE_BYTES);
    memset(driver.value, 'x', HUGE_BYTES);
    struct transaction_config config = {.settings = driver.settings, .transactional_id = argv[3], .event_fd = event_fd};
    config.settings.properties = &timeout;
    config.settings.n_properties = 1;
    struct transaction_hooks hooks = {.produce = on_produce, .settled = on_settled, .fatal = on_fatal, .opaque = &driver};
    driver.transaction = transaction_new(&config, &hooks, why, sizeof why);
    if (driver.transaction == NULL) {
        printf("fatal %s\n", why);
        return 1;
    }
    run(&driver, lines, event_fd);
    driver.once = 1;
    atomic_store(&driver.goes_on, true);
    int64_t began_ms = clock_mono_ms();
    transaction_free(driver.transaction);
    printf("ended %lld\n", (long long)(clock_mono_ms() - began_ms));
    if (driver.kept != NULL)
        rd_kafka_consumer_group_metadata_destroy(driver.kept);
    if (driver.consumer != NULL)
        rd_kafka_destroy(driver.consumer);
    free(driver.value);
    fclose(lines);
    close(event_fd);
    return 0;
}
