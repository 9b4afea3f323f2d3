#include "ops/options.h"

#include <string.h>

#define ALL                                                                                                            \
    (COMMAND_RUN | COMMAND_DEMO | COMMAND_EXEC | COMMAND_VALIDATE | COMMAND_SUBMIT | COMMAND_RESULTS |                 \
     COMMAND_OFFSETS | COMMAND_CONFIG | COMMAND_BACKEND | COMMAND_HEALTH | COMMAND_CANCEL | COMMAND_REDRIVE)
#define WORKER (COMMAND_RUN | COMMAND_CONFIG)
#define CLIENTS (WORKER | COMMAND_SUBMIT | COMMAND_RESULTS | COMMAND_OFFSETS | COMMAND_CANCEL | COMMAND_REDRIVE)
#define ENGINE (WORKER | COMMAND_DEMO | COMMAND_EXEC)
#define PLANNERS (WORKER | COMMAND_EXEC | COMMAND_VALIDATE | COMMAND_SUBMIT)
#define STATUSES "pending|running|succeeded|failed|timed_out|cancelled|rejected"

/* Groups keep together what --help and the reference show under one heading. */
static const struct option_spec table[] = {
    {.name = "bootstrap-servers", .alias = "brokers", .type = OPTION_TEXT, .value = NULL, .metavar = "HOST:PORT,…",
     .commands = CLIENTS, .group = "Kafka", .help = "Kafka brokers to begin with; the others are learned from them."},
    {.name = "invocations-topics", .type = OPTION_TEXT, .value = "rxp.invocations", .metavar = "TOPIC,…",
     .commands = WORKER | COMMAND_SUBMIT | COMMAND_OFFSETS | COMMAND_REDRIVE, .group = "Kafka",
     .help = "Topics of invocations; submit writes to the first."},
    {.name = "results-topic", .type = OPTION_TEXT, .value = "rxp.results", .metavar = "TOPIC",
     .commands = WORKER | COMMAND_SUBMIT | COMMAND_RESULTS, .group = "Kafka",
     .help = "Topic that every invocation's result goes to."},
    {.name = "dead-letter-topic", .type = OPTION_TEXT, .value = "", .metavar = "TOPIC", .may_be_empty = true,
     .commands = WORKER | COMMAND_REDRIVE, .group = "Kafka",
     .help = "Topic that rejected messages go to as well, byte for byte; empty: off."},
    {.name = "progress-topic", .type = OPTION_TEXT, .value = "", .metavar = "TOPIC", .may_be_empty = true,
     .commands = WORKER | COMMAND_SUBMIT, .group = "Kafka",
     .help = "Topic that a running RuntimeResult goes to when a run is accepted and whenever its backend's status changes, best "
             "effort; submit --wait shows them; empty: off."},
    {.name = "control-topic", .type = OPTION_TEXT, .value = "", .metavar = "TOPIC", .may_be_empty = true,
     .commands = WORKER | COMMAND_CANCEL, .group = "Kafka",
     .help = "Topic from which every worker reads what it is asked to cancel (rxp-worker cancel); empty: off."},
    {.name = "group-id", .type = OPTION_TEXT, .value = "rxp-worker", .metavar = "NAME",
     .commands = WORKER | COMMAND_OFFSETS | COMMAND_REDRIVE, .group = "Kafka",
     .help = "Consumer group; workers of one group share the partitions."},
    {.name = "group-instance-id", .type = OPTION_TEXT, .value = "", .metavar = "NAME", .may_be_empty = true,
     .commands = WORKER, .group = "Kafka",
     .help = "Name of this worker's own in its group (static membership): a restart within the session timeout "
             "(session.timeout.ms, 45 s) then keeps its partitions and disturbs no other worker; empty: off."},
    {.name = "client-id", .type = OPTION_TEXT, .value = "rxp-worker", .metavar = "NAME", .commands = CLIENTS,
     .group = "Kafka", .help = "Name under which brokers log and limit this client."},
    {.name = "results-key", .type = OPTION_CHOICE, .value = "input", .choices = "input|invocation_id",
     .commands = WORKER, .group = "Kafka",
     .help = "Key of a result: that of its input (the invocation_id where the input has none), or always the "
             "invocation_id."},
    {.name = "reply-topics", .type = OPTION_TEXT, .value = "", .metavar = "LIST", .may_be_empty = true,
     .commands = WORKER, .group = "Kafka",
     .help = "Comma list of topics, * standing for any part of a name, that an invocation's headers (kafka_replyTopic, "
             "rxp-reply-topic) may name to get its result there as well; empty: off."},
    {.name = "checkpoints-topic", .type = OPTION_TEXT, .value = "rxp.checkpoints", .metavar = "TOPIC", .may_be_empty = true,
     .commands = WORKER | COMMAND_OFFSETS, .group = "Guarantees",
     .help = "Compacted topic that keeps what is known of accepted runs, so that after a crash or a restart they are polled "
             "on instead of started again; made where it is missing; empty: off."},
    {.name = "kickoff-guarantee", .type = OPTION_CHOICE, .value = "at-least-once", .choices = "at-least-once|at-most-once",
     .commands = WORKER, .group = "Guarantees",
     .help = "After a crash in the middle of a kickoff: at-least-once kicks off again, with the same Idempotency-Key; "
             "at-most-once never does, such a run fails with kickoff_unknown. It costs two round trips to the broker "
             "before each kickoff."},
    {.name = "results-guarantee", .type = OPTION_CHOICE, .value = "at-least-once", .choices = "at-least-once|exactly-once",
     .commands = WORKER, .group = "Guarantees",
     .help = "at-least-once: a crash can repeat the results of the last moments; exactly-once: results and offsets go in "
             "one Kafka transaction, and a read_committed consumer sees one result for each input."},
    {.name = "transaction-ms", .type = OPTION_INT, .value = "100", .metavar = "MS", .min = 0, .max = 5000,
     .commands = WORKER, .group = "Guarantees",
     .help = "With exactly-once: milliseconds between the beginnings of two transactions at least; what is due by then goes "
             "together."},
    {.name = "ordering", .type = OPTION_CHOICE, .value = "none", .choices = "none|key|partition", .commands = WORKER,
     .group = "Guarantees",
     .help = "key: of the inputs of one key one runs at a time, in order (those without a key are free); partition: of each "
             "partition one. A run begins once the result of the one before is acknowledged."},
    {.name = "commit-interval-ms", .type = OPTION_INT, .value = "500", .metavar = "MS", .min = 10, .max = 60000,
     .commands = WORKER, .group = "Kafka", .help = "Milliseconds between commits of input offsets."},

    {.name = "threads", .type = OPTION_INT, .value = "0", .metavar = "N", .min = 0, .max = 256,
     .commands = WORKER | COMMAND_DEMO | COMMAND_BACKEND, .group = "Runs",
     .help = "Event-loop threads that between them carry every run (not one a run), or serve the simulated backend; "
             "0: one for each CPU that the process may use (affinity and container quota), at most 4."},
    {.name = "max-in-flight", .type = OPTION_INT, .value = "50000", .metavar = "N", .min = 1, .max = 10000000,
     .commands = WORKER | COMMAND_DEMO, .group = "Runs",
     .help = "Runs under way at most; at this number the partitions are paused."},
    {.name = "max-in-flight-bytes", .type = OPTION_INT, .value = "1073741824", .metavar = "BYTES", .min = 1048576,
     .max = 1099511627776.0, .commands = WORKER, .group = "Runs",
     .help = "Bytes at most of what runs hold (their records, what is still needed of their messages, filled templates, results "
            "that are not acknowledged) and of unacknowledged checkpoints; at this sum the partitions are paused."},
    {.name = "max-run-seconds", .type = OPTION_DECIMAL, .value = "86400", .metavar = "S", .min = 0.001,
     .max = 31536000, .commands = ENGINE, .group = "Runs",
     .help = "Ceiling in seconds for an invocation's timeout_seconds, and the timeout of those without one."},
    {.name = "connect-timeout-seconds", .type = OPTION_DECIMAL, .value = "10", .metavar = "S", .min = 0.01,
     .max = 3600, .commands = ENGINE, .group = "Runs", .help = "Seconds given to a connection, TLS included."},
    {.name = "poll-timeout-seconds", .type = OPTION_DECIMAL, .value = "30", .metavar = "S", .min = 0.01, .max = 86400,
     .commands = ENGINE, .group = "Runs", .help = "Seconds given to a poll; one that stalls is tried again."},
    {.name = "poll-min-interval-ms", .type = OPTION_INT, .value = "100", .metavar = "MS", .min = 0, .max = 3600000,
     .commands = WORKER | COMMAND_DEMO, .group = "Runs",
     .help = "Milliseconds between two polls of a run at least, whatever its invocation says."},
    {.name = "poll-jitter", .type = OPTION_DECIMAL, .value = "0.1", .metavar = "PART", .min = 0, .max = 1,
     .commands = ENGINE, .group = "Runs",
     .help = "Part of an interval by which it is stretched at random, so that runs do not poll in step."},
    {.name = "poll-max-failures", .type = OPTION_INT, .value = "5", .metavar = "N", .min = 0, .max = 1000000,
     .commands = ENGINE, .group = "Runs",
     .help = "Transient poll failures in a row that a run survives, unless its invocation says otherwise."},
    {.name = "kickoff-max-retries", .type = OPTION_INT, .value = "3", .metavar = "N", .min = 0, .max = 1000000,
     .commands = ENGINE, .group = "Runs",
     .help = "Times that a kickoff is sent again which provably never left, or which the backend put off with 429 or 503 and "
             "Retry-After; unless its invocation says otherwise."},
    {.name = "drain-seconds", .type = OPTION_DECIMAL, .value = "25", .metavar = "S", .min = 0, .max = 86400,
     .commands = WORKER, .group = "Runs", .help = "Seconds after SIGTERM in which runs may still end."},
    {.name = "worker-id", .type = OPTION_TEXT, .value = "", .metavar = "NAME", .may_be_empty = true,
     .commands = ENGINE, .group = "Runs",
     .help = "Name of this process in results (worker.id); empty: HOSTNAME-PID, or 'exec' or 'demo'."},

    {.name = "max-message-bytes", .type = OPTION_INT, .value = "1048576", .metavar = "BYTES", .min = 256,
     .max = 1073741824, .commands = ENGINE | COMMAND_VALIDATE | COMMAND_SUBMIT, .group = "Limits",
     .help = "Bytes of an invocation at most; a larger one is rejected."},
    {.name = "max-response-bytes", .type = OPTION_INT, .value = "1048576", .metavar = "BYTES", .min = 256,
     .max = 1073741824, .commands = ENGINE, .group = "Limits",
     .help = "Bytes of a backend's answer at most; a larger one ends the run."},
    {.name = "max-result-bytes", .type = OPTION_INT, .value = "262144", .metavar = "BYTES", .min = 0,
     .max = 1073741824, .commands = ENGINE, .group = "Limits",
     .help = "Bytes of http.result at most; a larger value is left out of the result, which says so."},
    {.name = "origin-max-connections", .type = OPTION_INT, .value = "64", .metavar = "N", .min = 1, .max = 65535,
     .commands = ENGINE, .group = "Limits", .help = "Connections to one backend origin at most, shared out among the threads, of which each may "
                                           "have one."},
    {.name = "origin-max-kickoffs-per-second", .type = OPTION_DECIMAL, .value = "", .metavar = "N", .min = 0.001,
     .max = 1000000, .may_be_empty = true, .commands = ENGINE, .group = "Limits",
     .help = "Kickoffs a second to one backend origin at most, redirects included; empty: no limit."},
    {.name = "origin-max-requests-per-second", .type = OPTION_DECIMAL, .value = "", .metavar = "N", .min = 0.001,
     .max = 1000000, .may_be_empty = true, .commands = ENGINE, .group = "Limits",
     .help = "Requests of any kind a second to one backend origin at most; polls go first; empty: no limit."},
    {.name = "origin-breaker-failures", .type = OPTION_INT, .value = "20", .metavar = "N", .min = 0, .max = 1000000,
     .commands = ENGINE, .group = "Limits",
     .help = "Network failures in a row of one backend origin, after which its kickoffs wait, but for one every 5 s, until "
             "it answers; 0: never."},
    {.name = "kickoff-max-wait-seconds", .type = OPTION_DECIMAL, .value = "300", .metavar = "S", .min = 0.01,
     .max = 31536000, .may_be_empty = true, .commands = ENGINE, .group = "Limits",
     .help = "Seconds that a kickoff waits at an origin that neither answers nor takes any; then its run fails with "
             "origin_unavailable; empty: as long as it takes."},

    {.name = "egress-allow", .type = OPTION_TEXT, .value = "*", .metavar = "LIST", .commands = ENGINE,
     .group = "Where requests may go",
     .help = "Comma list of host patterns, host:port, addresses and CIDRs that requests may go to. Loopback must be "
             "named (exec and demo allow it); link-local and metadata addresses are refused always."},
    {.name = "egress-deny", .type = OPTION_TEXT, .value = "", .metavar = "LIST", .may_be_empty = true,
     .commands = ENGINE, .group = "Where requests may go",
     .help = "The same kind of list for what they may not go to; it wins over egress-allow."},
    {.name = "egress-private", .type = OPTION_CHOICE, .value = "allow", .choices = "allow|deny", .commands = ENGINE,
     .group = "Where requests may go",
     .help = "deny: private addresses and all other special-purpose ranges are refused, loopback too, unless egress-allow has an "
             "entry with the address or a range of them; a name is not enough."},
    {.name = "ca-file", .type = OPTION_TEXT, .value = "", .metavar = "FILE", .may_be_empty = true,
     .commands = ENGINE, .group = "Where requests may go",
     .help = "PEM file of the authorities that backends' certificates are verified with; empty: the system's."},
    {.name = "client-certificates", .type = OPTION_TEXT, .value = "", .metavar = "LIST", .may_be_empty = true,
     .commands = ENGINE, .group = "Where requests may go",
     .help = "Comma list of host[:port]=CERTIFICATE[:KEY], PEM files: what is shown to that host when it asks for a client "
             "certificate; without KEY the key stands in the same file; empty: none."},
    {.name = "proxy", .type = OPTION_TEXT, .value = "", .metavar = "URL", .may_be_empty = true, .secret = true,
     .commands = ENGINE, .group = "Where requests may go",
     .help = "HTTP proxy that requests go through, http://[user:password@]host:port or https://…; 'environment': as http_proxy, "
             "https_proxy, all_proxy and no_proxy say; empty: none, whatever the environment says. The proxy then looks names "
             "up and filters addresses. Loopback is called past it."},

    {.name = "profiles-dir", .type = OPTION_TEXT, .value = "", .metavar = "DIR", .may_be_empty = true,
     .commands = PLANNERS, .group = "Profiles and secrets",
     .help = "Directory of profiles: RUNTIME_NAME.json holds defaults for the invocations with that runtime_name. SIGHUP reads "
             "them again; empty: none."},
    {.name = "profiles", .type = OPTION_CHOICE, .value = "defaults", .choices = "defaults|only", .commands = PLANNERS,
     .group = "Profiles and secrets",
     .help = "defaults: what a message says itself counts more than its profile; only: it may say nothing but http.body, var.*, "
             "rxp.* and keys of its own, and without a profile it is rejected."},
    {.name = "secrets-dir", .type = OPTION_TEXT, .value = "/run/secrets", .metavar = "DIR", .may_be_empty = true,
     .commands = WORKER | COMMAND_EXEC, .group = "Profiles and secrets",
     .help = "Directory of secrets: a file NAME holds the value of ${secret:NAME}, a file NAME.oauth2.json tells how to fetch it. "
             "They are read again when they change. Beside them RXP_SECRET_NAME is looked at; empty: that alone."},
    {.name = "secrets-hosts", .type = OPTION_TEXT, .value = "", .metavar = "LIST", .may_be_empty = true,
     .commands = WORKER | COMMAND_EXEC, .group = "Profiles and secrets",
     .help = "NAME=host[:port],…;NAME2=…: the hosts that a secret may be sent to. One that neither this nor a profile binds to "
             "a host is never sent there."},

    {.name = "config", .type = OPTION_TEXT, .value = "", .metavar = "FILE", .may_be_empty = true, .commands = ALL,
     .group = "Process", .help = "File of 'name = value' lines, one for each option; empty: none."},
    {.name = "log-level", .type = OPTION_CHOICE, .value = "info", .choices = "debug|info|warn|error",
     .commands = ALL & ~(unsigned)(COMMAND_VALIDATE | COMMAND_HEALTH), .group = "Process",
     .help = "What is logged: this and worse; run reads it again on SIGHUP."},
    {.name = "log-format", .type = OPTION_CHOICE, .value = "json", .choices = "json|text", .commands = WORKER,
     .group = "Process", .help = "Shape of the log on stdout: one JSON object a line, or text for people."},
    {.name = "log-runs", .type = OPTION_CHOICE, .value = "all", .choices = "all|failures|none", .commands = WORKER,
     .group = "Process", .help = "Runs that get a log line at their end: all, those that did not succeed, or none."},
    {.name = "admin-listen", .type = OPTION_TEXT, .value = "127.0.0.1:9464", .metavar = "HOST:PORT", .may_be_empty = true,
     .commands = WORKER | COMMAND_DEMO | COMMAND_HEALTH, .group = "Process",
     .help = "Address of the admin server: /livez, /readyz, /metrics, /runs, and a page for people at /; where the default is "
             "taken, run goes on without it; empty: off. demo has it with --keep."},
    {.name = "admin-token", .type = OPTION_TEXT, .value = "", .metavar = "TOKEN", .may_be_empty = true, .secret = true,
     .commands = WORKER, .group = "Process",
     .help = "What 'Authorization: Bearer TOKEN' must say to cancel runs and, where admin-listen is no loopback address, to see "
             "runs; 16 characters at least; empty: neither is possible."},
    {.name = "admin-token-file", .type = OPTION_TEXT, .value = "", .metavar = "FILE", .may_be_empty = true,
     .commands = WORKER, .group = "Process", .help = "File to read admin-token from, at the start; empty: none."},

    {.name = "dry-run", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_EXEC | COMMAND_REDRIVE, .flag_only = true,
     .group = "Exec", .help = "Print what would be sent, in order, and send nothing."},
    {.name = "trace", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_EXEC, .flag_only = true, .group = "Exec",
     .help = "Print each exchange on stderr as it happens, with its times and what the worker makes of it."},

    {.name = "wait", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_SUBMIT, .flag_only = true,
     .group = "Submit", .help = "Wait for the results of what was submitted, and print them on stdout."},
    {.name = "timeout-seconds", .type = OPTION_DECIMAL, .value = "", .metavar = "S", .min = 0.001, .max = 31536000,
     .may_be_empty = true, .commands = COMMAND_SUBMIT, .flag_only = true, .group = "Submit",
     .help = "Give --wait up after so many seconds; empty: wait for all."},

    {.name = "follow", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_RESULTS, .flag_only = true,
     .group = "Results", .help = "Begin at the present end and go on until interrupted."},
    {.name = "from-beginning", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_RESULTS | COMMAND_REDRIVE,
     .flag_only = true, .group = "Results",
     .help = "Begin with the oldest message (results: that is so without --follow; redrive: also what was redriven before)."},
    {.name = "invocation-id", .type = OPTION_TEXT, .value = "", .metavar = "ID", .may_be_empty = true,
     .commands = COMMAND_RESULTS | COMMAND_REDRIVE, .flag_only = true, .group = "Results",
     .help = "Only those of this invocation; empty: all."},
    {.name = "status", .type = OPTION_CHOICE, .value = "", .choices = STATUSES, .may_be_empty = true,
     .commands = COMMAND_RESULTS, .flag_only = true, .group = "Results",
     .help = "Only results with this status; empty: all."},
    {.name = "limit", .type = OPTION_INT, .value = "0", .metavar = "N", .min = 0, .max = 9007199254740992.0,
     .commands = COMMAND_RESULTS, .flag_only = true, .group = "Results",
     .help = "Stop after so many results; 0: print all."},

    {.name = "code", .type = OPTION_TEXT, .value = "", .metavar = "CODE,…", .may_be_empty = true,
     .commands = COMMAND_REDRIVE, .flag_only = true, .group = "Redrive",
     .help = "Only dead letters with one of these error codes, as egress_denied; empty: all."},
    {.name = "to", .type = OPTION_TEXT, .value = "", .metavar = "TOPIC", .may_be_empty = true,
     .commands = COMMAND_REDRIVE, .flag_only = true, .group = "Redrive",
     .help = "Topic that they all go to; empty: each to the one that it came from, if that is among --invocations-topics."},

    {.name = "json", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_OFFSETS, .flag_only = true,
     .group = "Offsets", .help = "Print a JSON object for each partition instead of a table."},

    {.name = "invocations", .type = OPTION_INT, .value = "1000", .metavar = "N", .min = 1, .max = 100000,
     .commands = COMMAND_DEMO, .flag_only = true, .group = "Demo", .help = "How many invocations to submit."},
    {.name = "keep", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_DEMO, .flag_only = true,
     .group = "Demo", .help = "Stay up after the summary, to try one's own clients, until interrupted."},

    {.name = "listen", .type = OPTION_TEXT, .value = "127.0.0.1:8080", .metavar = "HOST:PORT",
     .commands = COMMAND_BACKEND, .flag_only = true, .group = "Backend",
     .help = "Address to serve on; port 0: any free one."},
    {.name = "record", .type = OPTION_TEXT, .value = "", .metavar = "FILE", .may_be_empty = true,
     .commands = COMMAND_BACKEND, .flag_only = true, .group = "Backend",
     .help = "File that a JSON line for each request is appended to; empty: off."},

    {.name = "ready", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_HEALTH, .flag_only = true,
     .group = "Health", .help = "Ask whether it is ready (/readyz) and not only whether it lives (/livez)."},

    {.name = "check", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_CONFIG, .flag_only = true,
     .group = "Config", .help = "Ask the broker too, and print the commands that make what is missing."},
    {.name = "reference", .type = OPTION_FLAG, .value = "false", .commands = COMMAND_CONFIG, .flag_only = true,
     .group = "Config", .help = "Print every option as a Markdown table instead."},
};

const struct option_spec *option_table(size_t *n)
{
    *n = sizeof table / sizeof table[0];
    return table;
}

const struct option_spec *option_find(const char *name_or_alias)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct option_spec *spec = &table[i];
        if (strcmp(spec->name, name_or_alias) == 0 ||
            (spec->alias != NULL && strcmp(spec->alias, name_or_alias) == 0))
            return spec;
    }
    return NULL;
}
