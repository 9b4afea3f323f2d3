/* ParallelWorker: Confluent Parallel Consumer with its Vert.x module: one class, one consumer, one producer, one web client.
 *
 *   java -cp 'libs/*' ParallelWorker.java BOOTSTRAP INPUTS RESULTS GROUP IN_FLIGHT CONNECTIONS INTERVAL_MS
 *
 * For each input: the kickoff, its first poll at once, further polls an interval apart (Vert.x timers), the result. The
 * future that Parallel Consumer got succeeds when the result is acknowledged; it then commits the offset, and beside it
 * which later ones are done. So a restart repeats no finished run. What it does not do: take up runs that were under way
 * (they are kicked off again), judge anything but a plain 202 and a status field, limits of rates, refusals, timeouts of
 * runs.
 *
 * Tuned as the documentation of each part says:
 *   Parallel Consumer  ordering(UNORDERED): "Fastest". commitMode(PERIODIC_CONSUMER_ASYNCHRONOUS): "The fastest option",
 *                      the default. maxConcurrency: "set this quite high"; for the Vert.x module it is the number of runs
 *                      under way. vertxFuture instead of the one-request calls, so that a run may be many requests.
 *   Vert.x             its web client by default keeps 5 connections; setMaxPoolSize, without a limit of those that wait
 *                      (setMaxWaitQueueSize). One event loop: runs never change threads, and one core is measured. TCP
 *                      no-delay and keep-alive are its defaults. Netty's native transport, an option, changed nothing here.
 *   Kafka              linger.ms for the producer's batches; acks=all.
 *   JVM                see peers.py: the collector for one core, and a heap that is large enough not to be the limit. */
import io.confluent.parallelconsumer.ParallelConsumerOptions;
import io.confluent.parallelconsumer.ParallelConsumerOptions.CommitMode;
import io.confluent.parallelconsumer.ParallelConsumerOptions.ProcessingOrder;
import io.confluent.parallelconsumer.PollContext;
import io.confluent.parallelconsumer.vertx.VertxParallelEoSStreamProcessor;
import io.vertx.core.Context;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.json.JsonArray;
import io.vertx.core.json.JsonObject;
import io.vertx.ext.web.client.HttpResponse;
import io.vertx.ext.web.client.WebClient;
import io.vertx.ext.web.client.WebClientOptions;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class ParallelWorker {
    private static final Set<String> TERMINAL = Set.of("completed", "failed", "cancelled");
    private static final Duration COMMIT_INTERVAL = Duration.ofMillis(500); // as the worker's commit-interval-ms

    private final Vertx vertx;
    private final Context loop;
    private final WebClient client;
    private final KafkaProducer<byte[], byte[]> producer;
    private final String results;
    private final long intervalMs;

    private ParallelWorker(String bootstrap, String results, int connections, long intervalMs) {
        this.results = results;
        this.intervalMs = intervalMs;
        vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(1));
        loop = vertx.getOrCreateContext();
        client = WebClient.create(vertx, new WebClientOptions().setMaxPoolSize(connections).setMaxWaitQueueSize(-1)
            .setUserAgentEnabled(false));
        producer = new KafkaProducer<>(Map.of("bootstrap.servers", bootstrap, "acks", "all", "linger.ms", "5"),
            new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** One run; all its members are used on the event loop. */
    private final class Run {
        final ConsumerRecord<byte[], byte[]> record;
        final Promise<Void> end = Promise.promise();
        final String started = now();
        JsonObject invocation;
        String runId;
        String pollUrl;
        int polls;

        Run(ConsumerRecord<byte[], byte[]> record) {
            this.record = record;
        }

        void kickOff() {
            invocation = new JsonObject(Buffer.buffer(record.value()));
            JsonObject metadata = invocation.getJsonObject("metadata");
            client.postAbs(metadata.getString("http.url"))
                .putHeader("Idempotency-Key", invocation.getString("invocation_id"))
                .putHeader("Content-Type", "application/json")
                .sendBuffer(Buffer.buffer(metadata.getString("http.body")))
                .onFailure(end::fail).onSuccess(answer -> {
                    if (refused(answer))
                        return;
                    runId = answer.bodyAsJsonObject().getString("run_id");
                    pollUrl = metadata.getString("http.poll_url_template").replace("{run_id}", runId);
                    poll();
                });
        }

        void poll() {
            polls++;
            client.getAbs(pollUrl).send().onFailure(end::fail).onSuccess(answer -> {
                if (refused(answer))
                    return;
                String status = answer.bodyAsJsonObject().getString("status");
                if (TERMINAL.contains(status))
                    finish(status);
                else if (intervalMs == 0)
                    poll();
                else
                    vertx.setTimer(intervalMs, timer -> poll());
            });
        }

        boolean refused(HttpResponse<Buffer> answer) {
            if (answer.statusCode() == 200 || answer.statusCode() == 202)
                return false;
            end.fail("answered with " + answer.statusCode());
            return true;
        }

        void finish(String status) {
            boolean succeeded = status.equals("completed");
            JsonObject result = new JsonObject()
                .put("schema_version", "0.1").put("contract_kind", "runtime_result")
                .put("invocation_id", invocation.getString("invocation_id"))
                .put("runtime_name", invocation.getString("runtime_name"))
                .put("runtime_kind", invocation.getString("runtime_kind"))
                .put("status", succeeded ? "succeeded" : "failed").put("exit_code", succeeded ? 0 : 1)
                .put("started_at", started).put("finished_at", now())
                .putNull("stdout_path").putNull("stderr_path").put("artifacts", new JsonArray()).putNull("error_summary")
                .put("metadata", new JsonObject()
                    .put("http.run_id", runId).put("http.status", status).put("http.polls", String.valueOf(polls))
                    .put("worker.id", "parallel-consumer").put("source.topic", record.topic())
                    .put("source.partition", String.valueOf(record.partition()))
                    .put("source.offset", String.valueOf(record.offset())));
            producer.send(new ProducerRecord<>(results, record.key(), result.toBuffer().getBytes()), (sent, error) -> {
                if (error == null)
                    end.complete();
                else
                    end.fail(error);
            });
        }
    }

    private static String now() {
        return Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
    }

    /** On Parallel Consumer's thread; the run itself is the loop's. */
    private Future<Void> begin(PollContext<byte[], byte[]> context) {
        Run run = new Run(context.getSingleConsumerRecord());
        loop.runOnContext(go -> run.kickOff());
        // A failure is shown, and tried again by Parallel Consumer after its retry delay.
        return run.end.future().onFailure(error -> System.err.println("a run failed: " + error));
    }

    public static void main(String[] words) {
        String bootstrap = words[0];
        ParallelWorker worker = new ParallelWorker(bootstrap, words[2], Integer.parseInt(words[5]),
            Long.parseLong(words[6]));
        KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
            Map.of("bootstrap.servers", bootstrap, "group.id", words[3], "enable.auto.commit", "false",
                "auto.offset.reset", "earliest", "isolation.level", "read_committed"),
            new ByteArrayDeserializer(), new ByteArrayDeserializer());
        ParallelConsumerOptions<byte[], byte[]> options = ParallelConsumerOptions.<byte[], byte[]>builder()
            .consumer(consumer).ordering(ProcessingOrder.UNORDERED)
            .commitMode(CommitMode.PERIODIC_CONSUMER_ASYNCHRONOUS).commitInterval(COMMIT_INTERVAL)
            .maxConcurrency(Integer.parseInt(words[4])).build();
        VertxParallelEoSStreamProcessor<byte[], byte[]> processor =
            new VertxParallelEoSStreamProcessor<>(worker.vertx, worker.client, options);
        Runtime.getRuntime().addShutdownHook(new Thread(processor::closeDrainFirst));
        processor.subscribe(List.of(words[1]));
        processor.vertxFuture(worker::begin);
    }
}
