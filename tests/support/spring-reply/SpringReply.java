import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.config.ConcurrentKafkaListenerContainerFactory;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.core.ProducerFactory;
import org.springframework.kafka.listener.ConcurrentMessageListenerContainer;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.requestreply.AggregatingReplyingKafkaTemplate;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.kafka.support.KafkaHeaders;
import org.springframework.kafka.support.TopicPartitionOffset;
import org.springframework.kafka.support.serializer.JsonDeserializer;
import org.springframework.kafka.support.serializer.JsonSerializer;

/**
 * A Spring application that asks for runs and awaits their results, for whole/test_spring_reply.py: what it does stands in
 * JSON on stdin, what came of each request goes as JSON to stdout, in the order of the requests.
 *
 * <pre>
 * in:  bootstrap, topic, replies (a topic), template (readme, string, bytes, json, aggregate), instances, partition,
 *      topics (of the container, where it reads several), by_hand (a reply partition that the program names itself),
 *      plain_correlation, correlation_header, topic_header, check, size (of an aggregate), requests: [{key, value, timeout_ms}]
 * out: [{key, value, partition, headers: {name: hex}} or {error, message}], an aggregate's "values" instead of one value
 * </pre>
 */
public final class SpringReply {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration LONG = Duration.ofSeconds(60);

    /** How a template writes and reads values, and how the values look in `in` and `out`. */
    private interface Codec<V> {
        Serializer<V> serializer();

        Deserializer<V> deserializer();

        V read(String text) throws Exception;

        String write(V value) throws Exception;
    }

    private static final class Text implements Codec<String> {
        public Serializer<String> serializer() { return new StringSerializer(); }

        public Deserializer<String> deserializer() { return new StringDeserializer(); }

        public String read(String text) { return text; }

        public String write(String value) { return value; }
    }

    private static final class Bytes implements Codec<byte[]> {
        public Serializer<byte[]> serializer() { return new ByteArraySerializer(); }

        public Deserializer<byte[]> deserializer() { return new ByteArrayDeserializer(); }

        public byte[] read(String text) { return text.getBytes(StandardCharsets.UTF_8); }

        public String write(byte[] value) { return new String(value, StandardCharsets.UTF_8); }
    }

    /** Spring's own JSON serializer writes the class of the value into the header __TypeId__. */
    public static final class Invocation extends HashMap<String, Object> { }

    /** A class that is not the one of the requests. */
    public static final class Result extends HashMap<String, Object> { }

    private static final class Json implements Codec<HashMap<String, Object>> {
        @SuppressWarnings({"unchecked", "rawtypes"})
        public Serializer<HashMap<String, Object>> serializer() { return new JsonSerializer(); }

        @SuppressWarnings({"unchecked", "rawtypes"})
        public Deserializer<HashMap<String, Object>> deserializer() {
            return new JsonDeserializer(Result.class).trustedPackages("*");
        }

        public HashMap<String, Object> read(String text) throws Exception { return JSON.readValue(text, Invocation.class); }

        public String write(HashMap<String, Object> value) throws Exception {
            if (!(value instanceof Result)) {
                throw new IllegalStateException("the reply was read as " + value.getClass());
            }
            return JSON.writeValueAsString(value);
        }
    }

    private final JsonNode plan;
    private final String replies;

    private SpringReply(JsonNode plan) {
        this.plan = plan;
        this.replies = plan.path("replies").asText();
    }

    // As the README has it: test_spring_reply.py compares them.
    ReplyingKafkaTemplate<String, String, String> runs(ProducerFactory<String, String> producers,
            ConcurrentKafkaListenerContainerFactory<String, String> listeners) {
        var replies = listeners.createContainer(this.replies);
        replies.getContainerProperties().setGroupId("orders-" + UUID.randomUUID()); // each instance reads all replies
        var template = new ReplyingKafkaTemplate<>(producers, replies);
        template.setSharedReplyTopic(true);
        template.setDefaultReplyTimeout(Duration.ofMinutes(10)); // longer than the runs; its own default is 5 s
        return template;
    }

    private Map<String, Object> settings() {
        return Map.of("bootstrap.servers", plan.get("bootstrap").asText(), "auto.offset.reset", "latest");
    }

    private <V> ProducerFactory<String, V> producers(Codec<V> codec) {
        return new DefaultKafkaProducerFactory<>(settings(), new StringSerializer(), codec.serializer());
    }

    private <V> ConcurrentKafkaListenerContainerFactory<String, V> listeners(Codec<V> codec) {
        var factory = new ConcurrentKafkaListenerContainerFactory<String, V>();
        factory.setConsumerFactory(
                new DefaultKafkaConsumerFactory<>(settings(), new StringDeserializer(), codec.deserializer()));
        return factory;
    }

    private <V> ConcurrentMessageListenerContainer<String, V> container(Codec<V> codec) {
        var factory = listeners(codec);
        ConcurrentMessageListenerContainer<String, V> container;
        if (plan.has("partition")) {
            container = factory.createContainer(new TopicPartitionOffset(replies, plan.get("partition").asInt()));
        } else if (plan.has("topics")) {
            var names = new ArrayList<String>();
            plan.get("topics").forEach(name -> names.add(name.asText()));
            container = factory.createContainer(names.toArray(String[]::new));
        } else {
            container = factory.createContainer(replies);
        }
        container.getContainerProperties().setGroupId("requester-" + UUID.randomUUID());
        return container;
    }

    private <V, R> ReplyingKafkaTemplate<String, V, R> prepare(ReplyingKafkaTemplate<String, V, R> template) throws Exception {
        if (plan.path("plain_correlation").asBoolean()) {
            template.setBinaryCorrelation(false);
        }
        if (plan.has("correlation_header")) {
            template.setCorrelationHeaderName(plan.get("correlation_header").asText());
        }
        if (plan.has("topic_header")) {
            template.setReplyTopicHeaderName(plan.get("topic_header").asText());
        }
        if (plan.path("check").asBoolean()) {
            template.setReplyErrorChecker(SpringReply::failure);
        }
        template.afterPropertiesSet();
        template.start();
        if (!template.waitForAssignment(LONG)) {
            throw new IllegalStateException("the container of replies got no partitions");
        }
        return template;
    }

    private static Exception failure(ConsumerRecord<?, ?> reply) {
        var status = new String(reply.headers().lastHeader("rxp-status").value(), StandardCharsets.UTF_8);
        return status.equals("succeeded") ? null : new IllegalStateException(status);
    }

    /** Every request is under way before the first reply is looked at. */
    private <V, R> ArrayNode exchange(Codec<V> codec, List<ReplyingKafkaTemplate<String, V, R>> templates, Writer<R> writer)
            throws Exception {
        var under_way = new ArrayList<CompletableFuture<ConsumerRecord<String, R>>>();
        for (var request : plan.get("requests")) {
            var record = new ProducerRecord<>(plan.get("topic").asText(), request.path("key").textValue(),
                    codec.read(request.get("value").asText()));
            if (plan.has("topics")) {
                record.headers().add(KafkaHeaders.REPLY_TOPIC, replies.getBytes(StandardCharsets.UTF_8));
            }
            if (plan.has("by_hand")) {
                record.headers().add(KafkaHeaders.REPLY_PARTITION,
                        ByteBuffer.allocate(4).putInt(plan.get("by_hand").asInt()).array());
            }
            var template = templates.get(under_way.size() % templates.size());
            under_way.add(template.sendAndReceive(record, Duration.ofMillis(request.path("timeout_ms").asLong(LONG.toMillis()))));
        }
        var out = JSON.createArrayNode();
        for (var future : under_way) {
            out.add(outcome(future, writer));
        }
        templates.forEach(ReplyingKafkaTemplate::destroy);
        return out;
    }

    private interface Writer<R> {
        void write(ObjectNode out, R value) throws Exception;
    }

    private static <R> ObjectNode outcome(CompletableFuture<ConsumerRecord<String, R>> future, Writer<R> writer) throws Exception {
        var out = JSON.createObjectNode();
        try {
            var reply = future.get(LONG.toSeconds() + 5, TimeUnit.SECONDS);
            out.put("key", reply.key()).put("partition", reply.partition());
            var headers = out.putObject("headers");
            reply.headers().forEach(header -> headers.put(header.key(), HexFormat.of().formatHex(header.value())));
            writer.write(out, reply.value());
        } catch (ExecutionException failed) {
            out.put("error", failed.getCause().getClass().getSimpleName()).put("message", failed.getCause().getMessage());
        }
        return out;
    }

    private <V> ArrayNode exchangeWith(Codec<V> codec) throws Exception {
        var templates = new ArrayList<ReplyingKafkaTemplate<String, V, V>>();
        for (int i = 0; i < plan.path("instances").asInt(1); i++) {
            templates.add(prepare(new ReplyingKafkaTemplate<>(producers(codec), container(codec))));
        }
        return exchange(codec, templates, (out, value) -> out.put("value", codec.write(value)));
    }

    private ArrayNode exchangeAsInReadme() throws Exception {
        var codec = new Text();
        var templates = new ArrayList<ReplyingKafkaTemplate<String, String, String>>();
        for (int i = 0; i < plan.path("instances").asInt(1); i++) {
            templates.add(prepare(runs(producers(codec), listeners(codec))));
        }
        return exchange(codec, templates, (out, value) -> out.put("value", value));
    }

    /** One request, answered by several groups of workers. */
    private ArrayNode exchangeAggregate() throws Exception {
        var codec = new Text();
        int size = plan.get("size").asInt();
        var listeners = new ConcurrentKafkaListenerContainerFactory<String, java.util.Collection<ConsumerRecord<String, String>>>();
        listeners.setConsumerFactory(new DefaultKafkaConsumerFactory<>(new HashMap<>(Map.of("bootstrap.servers",
                plan.get("bootstrap").asText(), "key.deserializer", StringDeserializer.class, "value.deserializer",
                StringDeserializer.class, "enable.auto.commit", false))));
        var container = listeners.createContainer(replies);
        container.getContainerProperties().setGroupId("requester-" + UUID.randomUUID());
        container.getContainerProperties().setAckMode(ContainerProperties.AckMode.MANUAL);
        var template = new AggregatingReplyingKafkaTemplate<>(producers(codec), container, (found, late) -> found.size() == size);
        template.setSharedReplyTopic(true);
        return exchange(codec, List.of(prepare(template)), (out, replies) -> {
            var values = out.putArray("values");
            replies.forEach(reply -> values.add(reply.value()));
        });
    }

    private ArrayNode run() throws Exception {
        switch (plan.get("template").asText()) {
            case "readme": return exchangeAsInReadme();
            case "string": return exchangeWith(new Text());
            case "bytes": return exchangeWith(new Bytes());
            case "json": return exchangeWith(new Json());
            case "aggregate": return exchangeAggregate();
            default: throw new IllegalArgumentException("no such template: " + plan.get("template"));
        }
    }

    public static void main(String[] arguments) throws Exception {
        var answer = new SpringReply(JSON.readTree(System.in)).run();
        System.out.println(JSON.writeValueAsString(answer));
        System.exit(0);
    }
}
