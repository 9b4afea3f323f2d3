// connect: Benthos, the engine of Redpanda Connect, with its http, while and sleep processors, between an input and an output
// for Kafka that are written here upon franz-go, the client that Connect's own use.
//
//	BOOTSTRAP=… INPUTS=… RESULTS=… GROUP=… IN_FLIGHT=… CONNECTIONS=… INTERVAL=1s connect pipeline.yaml
//
// Redpanda Connect's own module, which has such an input and output, is not used: see the notes in peers.py. These do less than
// its own (no batches, no lag, no retries but franz-go's), which is in this peer's favour.
//
// An input's offset is committed once the output has acknowledged its result, and never past one that is not done. What it does
// not do: take up runs after a crash or a rebalance (they are kicked off again), judge anything but a plain 2xx and a status
// field, limits, refusals, timeouts of runs. Its metrics are off.
//
// Tuned as the documentation says: pipeline.threads and max_in_flight far above the number of processors, since the work is to
// wait ("Performance Tuning": processors in parallel, max_in_flight of the output); franz-go's defaults for batches with a
// linger of 5 ms (ProducerLinger). Benthos's http client is Go's default transport, which keeps two idle connections to a host;
// it is given more, as net/http documents (MaxIdleConnsPerHost, MaxConnsPerHost), which no setting of Benthos does.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"
)

const commitInterval = 500 * time.Millisecond // as the worker's commit-interval-ms

// offsets: of one partition, what may be committed, however results come in. Offsets may have gaps.
type offsets struct {
	open []*kgo.Record // what came and is not passed yet, in order
	done map[int64]bool
}

type input struct {
	seed, topic, group string
	client             *kgo.Client
	arrived            []*kgo.Record // fetched and not read yet; Read is called by one goroutine

	lock       sync.Mutex
	partitions map[int32]*offsets
}

func (in *input) Connect(context.Context) error {
	in.partitions = map[int32]*offsets{}
	forget := func(_ context.Context, client *kgo.Client, lost map[string][]int32) {
		in.lock.Lock()
		for _, partition := range lost[in.topic] {
			delete(in.partitions, partition)
		}
		in.lock.Unlock()
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(in.seed), kgo.ConsumeTopics(in.topic), kgo.ConsumerGroup(in.group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.AutoCommitMarks(), kgo.AutoCommitInterval(commitInterval), kgo.OnPartitionsRevoked(
			func(ctx context.Context, client *kgo.Client, lost map[string][]int32) {
				_ = client.CommitMarkedOffsets(ctx)
				forget(ctx, client, lost)
			}), kgo.OnPartitionsLost(forget))
	in.client = client
	return err
}

func (in *input) Read(ctx context.Context) (*service.Message, service.AckFunc, error) {
	for len(in.arrived) == 0 {
		fetches := in.client.PollFetches(ctx)
		if fetches.IsClientClosed() {
			return nil, nil, service.ErrEndOfInput
		}
		for _, fault := range fetches.Errors() {
			return nil, nil, fault.Err
		}
		in.arrived = fetches.Records()
		in.lock.Lock()
		for _, record := range in.arrived {
			of := in.partitions[record.Partition]
			if of == nil {
				of = &offsets{done: map[int64]bool{}}
				in.partitions[record.Partition] = of
			}
			of.open = append(of.open, record)
		}
		in.lock.Unlock()
	}
	record := in.arrived[0]
	in.arrived[0] = nil
	in.arrived = in.arrived[1:]
	message := service.NewMessage(record.Value)
	message.MetaSetMut("kafka_key", record.Key)
	message.MetaSetMut("kafka_topic", record.Topic)
	message.MetaSetMut("kafka_partition", int(record.Partition))
	message.MetaSetMut("kafka_offset", int(record.Offset))
	return message, func(_ context.Context, err error) error {
		if err != nil {
			fmt.Fprintln(os.Stderr, "a run failed:", err)
			os.Exit(1) // any trouble ends the process: none is to be hidden in a figure
		}
		in.finish(record)
		return nil
	}, nil
}

func (in *input) finish(record *kgo.Record) {
	in.lock.Lock()
	defer in.lock.Unlock()
	of := in.partitions[record.Partition]
	if of == nil {
		return
	}
	of.done[record.Offset] = true
	var passed *kgo.Record
	for len(of.open) > 0 && of.done[of.open[0].Offset] {
		passed = of.open[0]
		delete(of.done, passed.Offset)
		of.open[0] = nil
		of.open = of.open[1:]
	}
	if passed != nil {
		in.client.MarkCommitRecords(passed)
	}
}

func (in *input) Close(ctx context.Context) error {
	err := in.client.CommitMarkedOffsets(ctx)
	in.client.Close()
	return err
}

type output struct {
	seed, topic string
	client      *kgo.Client
}

func (out *output) Connect(context.Context) (err error) {
	out.client, err = kgo.NewClient(kgo.SeedBrokers(out.seed), kgo.DefaultProduceTopic(out.topic),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.NoCompression()))
	return err
}

func (out *output) Write(ctx context.Context, message *service.Message) error {
	value, err := message.AsBytes()
	if err != nil {
		return err
	}
	key, _ := message.MetaGetMut("kafka_key")
	return out.client.ProduceSync(ctx, &kgo.Record{Key: key.([]byte), Value: value}).FirstErr()
}

func (out *output) Close(context.Context) error {
	out.client.Close()
	return nil
}

func register() {
	spec := func() *service.ConfigSpec {
		return service.NewConfigSpec().Fields(service.NewStringField("seed"), service.NewStringField("topic"))
	}
	text := func(parsed *service.ParsedConfig, name string) string {
		value, err := parsed.FieldString(name)
		check(err)
		return value
	}
	service.MustRegisterInput("franz_go", spec().Field(service.NewStringField("group")),
		func(parsed *service.ParsedConfig, _ *service.Resources) (service.Input, error) {
			return &input{seed: text(parsed, "seed"), topic: text(parsed, "topic"), group: text(parsed, "group")}, nil
		})
	service.MustRegisterOutput("franz_go", spec().Field(service.NewOutputMaxInFlightField()),
		func(parsed *service.ParsedConfig, _ *service.Resources) (service.Output, int, error) {
			most, err := parsed.FieldMaxInFlight()
			return &output{seed: text(parsed, "seed"), topic: text(parsed, "topic")}, most, err
		})
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	connections, err := strconv.Atoi(os.Getenv("CONNECTIONS"))
	check(err)
	transport := http.DefaultTransport.(*http.Transport)
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = connections, connections, connections

	register()
	config, err := os.ReadFile(os.Args[1])
	check(err)
	builder := service.NewStreamBuilder()
	check(builder.SetLoggerYAML("level: ERROR"))
	check(builder.SetMetricsYAML("none: {}"))
	check(builder.SetYAML(string(config)))
	stream, err := builder.Build()
	check(err)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := stream.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		check(err)
	}
}
