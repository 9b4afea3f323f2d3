#!/usr/bin/python3
"""The command line as its users meet it: help, options and where they come from, validate, config. Most need no broker."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

from child import plain_environment
from tap import equal, holds, lacks, rows, run_all, test
from worker import PROGRAM, Worker, run_command

COMMANDS = ["run", "demo", "exec", "validate", "submit", "results", "offsets", "config", "backend"]


def folder_with(**files):
    """A temporary folder with these files; `_` in a name stands for its dot. Use it in `with`."""
    folder = tempfile.TemporaryDirectory(prefix="rxp-cli-")
    for name, content in files.items():
        path = pathlib.Path(folder.name) / name.replace("_", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def invocation(name="a", **changes):
    value = {
        "invocation_id": name, "runtime_name": "r", "runtime_kind": "http_async", "working_directory": "/",
        "command": ["none"],
        "metadata": {"http.url": "http://h/", "http.poll_url_template": "http://h/{run_id}",
                     "http.poll_run_id_path": "id", "http.poll_status_path": "s",
                     "http.poll_terminal_states": "completed"},
    }
    value.update(changes)
    return value


def line(name="a", **changes):
    return json.dumps(invocation(name, **changes)) + "\n"


def config_value(output, name):
    """(value, origin) of a setting in the output of `config`."""
    for text in output.splitlines():
        found = re.fullmatch(re.escape(name) + r" = ?(.*?) *# (.*)", text)
        if found:
            return found.groups()
    raise AssertionError(f"no setting {name} in:\n{output}")


# ---- finding one's way ----

@test("without arguments the overview is on stderr, and the exit status 2")
def _():
    done = run_command()
    equal(done.returncode, 2)
    equal(done.stdout, "")
    holds(done.stderr, "Usage: rxp-worker COMMAND", *(f"\n  {name} " for name in COMMANDS))


@rows("'{}' prints the overview on stdout", [("--help",), ("-h",), ("help",)])
def _(word):
    done = run_command(word)
    equal((done.returncode, done.stderr), (0, ""))
    holds(done.stdout, "Usage: rxp-worker COMMAND", *(f"\n  {name} " for name in COMMANDS))


@test("--version names this version and those of its libraries")
def _():
    done = run_command("--version")
    equal((done.returncode, done.stderr), (0, ""))
    if not re.fullmatch(r"rxp-worker \d+\.\d+\.\d+ \(librdkafka \d+\.\d+\.\d+\S*, libcurl \d+\.\d+\.\d+\S*\)\n", done.stdout):
        raise AssertionError(done.stdout)


@rows("`{} --help` is a whole page", [(name,) for name in COMMANDS])
def _(name):
    done = run_command(name, "--help")
    equal((done.returncode, done.stderr), (0, ""))
    holds(done.stdout, f"rxp-worker {name}: ", f"Usage: rxp-worker {name} [OPTION…]", "\n  --config FILE\n",
          "\n  -h, --help\n", "RXP_LOG_LEVEL", "rxp-worker config")
    if "left out of this build" not in done.stdout:  # demo needs no example, backend ends when it is told to
        if name != "demo" and not re.search(rf"^ +.*rxp-worker {name}\b", done.stdout.partition("Usage:")[2], re.MULTILINE):
            raise AssertionError(f"no example in:\n{done.stdout}")
    if "left out of this build" not in done.stdout and name != "backend":
        holds(done.stdout, "Exit status")
    equal(run_command("help", name).stdout, done.stdout, "help COMMAND")
    equal(run_command(name, "--nonsense", "-h").stdout, done.stdout, "-h among other words")


@rows("`rxp-worker {0}` is refused with a way out", [
    ("sumbit", "rxp-worker: unknown command 'sumbit': did you mean 'submit'?\ntry 'rxp-worker --help'\n"),
    ("xyzzy", "rxp-worker: unknown command 'xyzzy'\ntry 'rxp-worker --help'\n"),
    ("--threads", "rxp-worker: unknown option '--threads'; the options of a command come after its name\n"
                  "try 'rxp-worker --help'\n"),
    ("help valdate", "rxp-worker: unknown command 'valdate': did you mean 'validate'?\ntry 'rxp-worker --help'\n"),
    ("run --max-inflight 500", "rxp-worker run: unknown option '--max-inflight': did you mean '--max-in-flight'?\n"
                               "try 'rxp-worker run --help'\n"),
    ("submit --follow", "rxp-worker submit: option '--follow' belongs to 'results', not to 'submit'\n"
                        "try 'rxp-worker submit --help'\n"),
    ("run --threads two", "rxp-worker run: option '--threads' wants a whole number from 0 to 256, not 'two'\n"
                          "try 'rxp-worker run --help'\n"),
    ("run now", "rxp-worker run: bootstrap-servers is required: give --bootstrap-servers HOST:PORT,…, or "
                "RXP_BOOTSTRAP_SERVERS in the environment, or a line of the --config file\n"
                "try 'rxp-worker run --help'\n"),
    ("config now", "rxp-worker config: 'now' is one argument too many: this command takes none\n"
                   "try 'rxp-worker config --help'\n"),
    ("exec a.json b.json", "rxp-worker exec: 'b.json' is one argument too many: this command takes [FILE|-]\n"
                           "try 'rxp-worker exec --help'\n"),
])
def _(words, stderr):
    done = run_command(*words.split())
    equal(done.returncode, 2)
    equal(done.stdout, "")
    equal(done.stderr, stderr)


# ---- settings ----

@test("config prints every option of run with the default as its origin")
def _():
    done = run_command("config")
    equal((done.returncode, done.stderr), (0, ""))
    holds(done.stdout, "# bootstrap-servers is not set, and required\n")
    equal(config_value(done.stdout, "max-in-flight"), ("50000", "default"))
    equal(config_value(done.stdout, "dead-letter-topic"), ("", "default"))
    for name in re.findall(r"^  --([a-z-]+)", run_command("run", "--help").stdout, re.MULTILINE):
        if name not in ("bootstrap-servers", "config"):
            config_value(done.stdout, name)


@test("flags win over the environment, the environment over the file, the file over the default")
def _():
    with folder_with(worker_conf="max-in-flight = 1 # few\nthreads = 1\ngroup-id = file\n") as folder:
        done = run_command("config", "--config", "worker.conf", "--max-in-flight=3", folder=folder,
                           environment={"RXP_MAX_IN_FLIGHT": "2", "RXP_THREADS": "2"})
        equal((done.returncode, done.stderr), (0, ""))
        holds(done.stdout, "# configuration file: worker.conf (--config)\n")
        equal(config_value(done.stdout, "max-in-flight"), ("3", "--max-in-flight"))
        equal(config_value(done.stdout, "threads"), ("2", "RXP_THREADS"))
        equal(config_value(done.stdout, "group-id"), ("file", "worker.conf:3"))
        equal(config_value(done.stdout, "client-id"), ("rxp-worker", "default"))


@test("what config prints is a file that config reads")
def _():
    with folder_with() as folder:
        words = ["--brokers=b:1", "--group-id=g#h", "--egress-deny=10.0.0.0/8", "--log-format=text",
                 "-X", "security.protocol=ssl"]
        first = run_command("config", *words).stdout
        (pathlib.Path(folder) / "a.conf").write_text(first)
        done = run_command("config", "--config=a.conf", folder=folder)
        equal(done.stderr, "")
        strip = re.compile(r" *# .*")
        settings = [[strip.sub("", text) for text in output.splitlines() if " = " in text]
                    for output in (first, done.stdout)]
        holds("\n".join(settings[0]), "group-id = g#h", "kafka.security.protocol = ssl")
        equal(settings[1], settings[0])


@test("secrets are hidden, wherever they come from")
def _():
    with folder_with(worker_conf="kafka.ssl.key.password = hunter2\n") as folder:
        done = run_command("config", "--config=worker.conf", "-X", "sasl.password=hunter2", folder=folder,
                           environment={"RXP_KAFKA_SSL_KEYSTORE_PASSWORD": "hunter2",
                                        "RXP_KAFKA_SASL_USERNAME": "me"})
        equal(done.returncode, 0)
        lacks(done.stdout + done.stderr, "hunter2")
        equal(config_value(done.stdout, "kafka.sasl.password"), ("******", "-X"))
        equal(config_value(done.stdout, "kafka.ssl.key.password"), ("******", "worker.conf:1"))
        equal(config_value(done.stdout, "kafka.ssl.keystore.password"), ("******", "RXP_KAFKA_SSL_KEYSTORE_PASSWORD"))
        equal(config_value(done.stdout, "kafka.sasl.username"), ("me", "RXP_KAFKA_SASL_USERNAME"))


@test("a secret that is not given is not shown as if it were")
def _():
    equal(config_value(run_command("config").stdout, "proxy"), ("", "default"))
    equal(config_value(run_command("config", "--proxy", "http://me:hush@proxy:1").stdout, "proxy"), ("******", "--proxy"))


@rows("run without egress-allow warns of it at start: {0}", [
    ("egress-private=allow", "any host but loopback, link-local and metadata addresses, private networks among them"),
    ("egress-private=deny", "any host with a public address"),
    ("egress-allow=h", None),
])
def _(setting, sentence):
    with Worker("127.0.0.1:1", "i", "r", "g", **{"egress_allow": None, **dict([setting.replace("-", "_").split("=")])}) as worker:
        worker.wait_for("worker_starting")
        if sentence:
            holds(worker.output(), "egress_open", sentence)
        else:
            lacks(worker.output(), "egress_open")


@rows("a wrong setting stops the start: {2}", [
    ("max-inflight = 3\n", {}, "w.conf:1: unknown key 'max-inflight': did you mean 'max-in-flight'?"),
    ("\nmax-in-flight = 0\n", {}, "w.conf:2: 'max-in-flight' wants a whole number from 1 to 10000000, not '0'"),
    ("hunter2\n", {}, "w.conf:1: a line is 'name = value', a comment (# …) or empty; this one is neither"),
    ("", {"RXP_POLL_JITTER": "much"}, "RXP_POLL_JITTER wants a decimal number from 0 to 1, not 'much'"),
    ("", {"RXP_CONFIG": "no.conf"}, "can't open the configuration file 'no.conf': No such file or directory"),
])
def _(text, environment, sentence):
    with folder_with(w_conf=text) as folder:
        done = run_command("config", folder=folder, environment={"RXP_CONFIG": "w.conf", **environment})
        equal((done.returncode, done.stdout), (2, ""))
        equal(done.stderr, f"rxp-worker config: {sentence}\ntry 'rxp-worker config --help'\n")


@test("an unknown RXP_ variable only warns, with the nearest name")
def _():
    done = run_command("config", environment={"RXP_MAX_INFLIGHT": "3", "RXP_WORKER_SERVICE_HOST": "10.0.0.1",
                                              "RXP_KAFKA_SERVICE_HOST": "10.0.0.1"})
    equal(done.returncode, 0)
    holds(done.stderr, "RXP_MAX_INFLIGHT is not known: did you mean RXP_MAX_IN_FLIGHT?",
          "RXP_WORKER_SERVICE_HOST is not known", "RXP_KAFKA_SERVICE_HOST is not known")
    equal(done.stderr.count("\n"), 3)


@rows("librdkafka's properties are checked by config: {0}", [
    ("no.such.property=1", "'no.such.property'"),
    ("enable.auto.commit=true", "'enable.auto.commit'"),
    ("security.protocol=tls", "'security.protocol'"),
])
def _(pair, part):
    done = run_command("config", "-X", pair)
    equal(done.returncode, 2)
    holds(done.stderr, "rxp-worker config: ", part)


@test("config --reference is a Markdown table of every option")
def _():
    done = run_command("config", "--reference")
    equal((done.returncode, done.stderr), (0, ""))
    table = done.stdout.splitlines()
    equal(table[:2], ["| option | default | commands | meaning |", "| --- | --- | --- | --- |"])
    for name in COMMANDS:
        for option in re.findall(r"^  --([a-z-]+)", run_command(name, "--help").stdout, re.MULTILINE):
            if not any(re.match(rf"\| `(--)?{option}`", row) for row in table):
                raise AssertionError(f"{option} of {name} is not in the reference")


@rows("a topic with two parts to play stops the start, and is named: {1}", [
    (["--invocations-topics", "a,b", "--results-topic", "b"], "'b' is both --results-topic and one of --invocations-topics"),
    (["--dead-letter-topic", "rxp.invocations"], "'rxp.invocations' is both --dead-letter-topic and one of --invocations"),
    (["--checkpoints-topic", "rxp.invocations"], "'rxp.invocations' is both --checkpoints-topic and one of --invocations"),
    (["--dead-letter-topic", "rxp.results"], "'rxp.results' is both --results-topic and --dead-letter-topic"),
    (["--checkpoints-topic", "rxp.results"], "'rxp.results' is both --results-topic and --checkpoints-topic"),
    (["--dead-letter-topic", "d", "--checkpoints-topic", "d"], "'d' is both --dead-letter-topic and --checkpoints-topic"),
    (["--reply-topics", "good,*,rxp.invocations"], "no reply can go to 'rxp.invocations'"),
    (["--reply-topics", "rxp.checkpoints"], "no reply can go to 'rxp.checkpoints'"),
    (["--reply-topics", "__consumer_offsets"], "no reply can go to '__consumer_offsets'"),
])
def _(words, sentence):
    done = run_command("run", "--brokers=127.0.0.1:1", *words)
    equal(done.returncode, 2, done.stderr)
    holds(done.stderr, sentence)


@test("a wide pattern and the results topic itself may stand in the list of reply topics")
def _():
    with Worker("127.0.0.1:1", "in", "out", "g", reply_topics="*,rxp*,out") as worker:
        worker.wait_for("worker_starting")


@test("config --check without a broker that answers says why, and ends after 10 seconds with 1")
def _():
    done = run_command("config", "--check", "--brokers=127.0.0.1:1", seconds=30)
    equal(done.returncode, 1)
    holds(done.stderr, "no broker at 127.0.0.1:1 answered within 10 seconds", "Connection refused")
    lacks(done.stdout, "kafka-topics.sh")
    equal(run_command("config", "--check").returncode, 2, "without a broker's name")


# ---- validate ----

@test("validate takes a document over several lines and JSON Lines, and numbers the lines")
def _():
    pretty = "\n" + json.dumps(invocation("pretty"), indent=2) + "\n"
    lines = line("one") + "\n" + line("two") + line("", command=[]) + line("three").rstrip("\n")
    with folder_with(p_json=pretty, l_jsonl=lines) as folder:
        done = run_command("validate", "p.json", "l.jsonl", folder=folder)
        out = done.stdout.splitlines()
        equal(out[:3], ["p.json:2: valid pretty", "l.jsonl:1: valid one", "l.jsonl:3: valid two"])
        holds(out[3], "l.jsonl:4: invalid: invalid_invocation: ")
        equal(out[4:], ["l.jsonl:5: valid three"])
        equal(done.stderr, "4 valid, 1 invalid\n")
        equal(done.returncode, 1)


@rows("validate reads stdin with {} arguments", [(0,), (1,)])
def _(n):
    done = run_command("validate", *["-"] * n, given=line("x"))
    equal((done.returncode, done.stdout, done.stderr), (0, "stdin:1: valid x\n", "1 valid, 0 invalid\n"))


@rows("validate refuses {0} as {3}", [
    ("a missing key", line(metadata={"http.url": "http://h/"}), 1, "missing_metadata", "'http."),
    ("a wrong key", line(metadata={"http.urll": "http://h/"}), 1, "invalid_metadata", "'http.url'"),
    ("another kind", line(runtime_kind="subprocess"), 1, "unsupported_kind", "subprocess"),
    ("an unknown field", line(colour="red"), 1, "invalid_invocation", "colour"),
    ("cut JSON", json.dumps(invocation(), indent=1)[:-3], None, "invalid_json", ""),
    ("a comma too many", '{\n "a": 1,\n "b": 2,,\n "c": 3\n}\n', 3, "invalid_json", ""),
    ("plain words", "hello\n", 1, "invalid_json", ""),
    ("bytes that are no UTF-8", line("x").encode().replace(b'"x"', b'"\xff"'), 1, "invalid_json", ""),
    ("deep nesting", "[" * 5000 + "]" * 5000 + "\n", 1, "invalid_json", ""),
    ("nothing", "", 1, "invalid_json", "no invocation"),
    ("blank lines", "\n \n", 1, "invalid_json", "no invocation"),
])
def _(what, text, number, code, part):
    done = run_command("validate", given=text)
    equal(done.returncode, 1, what)
    where = rf"{number}" if number else r"\d+"
    if not re.fullmatch(rf"stdin:{where}: invalid: {code}: .+\n", done.stdout):
        raise AssertionError(done.stdout)
    holds(done.stdout, part)
    equal(done.stderr, "0 valid, 1 invalid\n")


@test("validate reports a broken line of JSON Lines and goes on")
def _():
    done = run_command("validate", given=line("a") + '{"x": \n' + line("b"))
    equal(re.sub(r"invalid_json: .*", "invalid_json", done.stdout),
          "stdin:1: valid a\nstdin:2: invalid: invalid_json\nstdin:3: valid b\n")


@test("validate keeps to max-message-bytes")
def _():
    text = line("x" * 2000)
    equal(run_command("validate", given=text).returncode, 0)
    done = run_command("validate", "--max-message-bytes=1000", given=text)
    equal(done.returncode, 1)
    holds(done.stdout, "stdin:1: invalid: ", "1000")


@test("validate shows an id that holds control characters on one line")
def _():
    done = run_command("validate", given=line("a\n\x1b[31mb"))
    equal(done.stdout.count("\n"), 1)
    lacks(done.stdout, "\x1b")


@test("validate names a file that can't be read, checks the others, and ends with 2")
def _():
    with folder_with(a_json=line("x")) as folder:
        done = run_command("validate", "no.json", "a.json", folder=folder)
        equal(done.returncode, 2)
        equal(done.stdout, "a.json:1: valid x\n")
        holds(done.stderr, "'no.json'", "No such file or directory")


@test("output that can't be written is a failure, a reader that has seen enough is none")
def _():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "config", "--reference"], stdout=full, stderr=subprocess.PIPE, timeout=30,
                              check=False, text=True, env=plain_environment())
    equal(done.returncode, 1)
    equal(done.stderr, "rxp-worker: can't write to stdout: No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([PROGRAM, "config", "--reference"], stdout=writer, stderr=subprocess.PIPE, timeout=30,
                          check=False, text=True, env=plain_environment())
    os.close(writer)
    equal((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    run_all()
