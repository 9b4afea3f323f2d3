"""worker: the rxp-worker that is tested, as processes: the worker, the simulated backend, and commands that end.

    backend = Backend()
    worker = Worker(cluster, invocations, results, group="g", max_in_flight=500)
    cluster.produce(invocations, [invocation("1", backend)])
    assert worker.stop() == 0

    done = run_command("exec", "-", given=json.dumps(invocation("1", backend)))
    done.returncode, done.stdout, done.stderr
"""
import json
import os
import subprocess
import urllib.parse
import urllib.request

from child import ROOT, Child, plain_environment

PROGRAM = os.environ.get("RXP_WORKER") or str(ROOT / "build/dev/rxp-worker")


def flags(options):
    """max_in_flight=500 -> --max-in-flight 500; True is a flag alone; None is left out."""
    words = []
    for name, value in options.items():
        if value is None:
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return words


def run_command(*arguments, given=None, seconds=60, environment=None, folder=None):
    """Runs `rxp-worker ARGUMENT…` to its end. `given` is its stdin, text or bytes. Returns subprocess's CompletedProcess
    with text; bytes that are no UTF-8 become U+FFFD."""
    if isinstance(given, str):
        given = given.encode()
    done = subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", PROGRAM, *map(str, arguments)], input=given or b"",
                          capture_output=True, timeout=seconds, check=False, cwd=folder,
                          env=plain_environment(environment))
    done.stdout = done.stdout.decode(errors="replace")
    done.stderr = done.stderr.decode(errors="replace")
    return done


class Worker(Child):
    """`rxp-worker run`. Options are its flags with _ for -; `arguments` come behind them, as they are. Loopback is allowed,
    since the backends of the tests live there. The admin server's port is any free one, since many workers run at a time;
    admin_listen=None leaves the option out."""

    def __init__(self, cluster, invocations, results, group, arguments=(), environment=None, name="worker", **options):
        settings = {"bootstrap_servers": cluster if isinstance(cluster, str) else cluster.bootstrap,
                    "invocations_topics": invocations, "results_topic": results, "group_id": group,
                    "egress_allow": "*,127.0.0.0/8", "admin_listen": "127.0.0.1:0"}
        settings.update(options)
        super().__init__([PROGRAM, "run", *flags(settings), *arguments], name=name, environment=environment)


class Backend(Child):
    """`rxp-worker backend` on a free port of loopback."""

    def __init__(self, name="backend", **options):
        super().__init__([PROGRAM, "backend", *flags({"listen": "127.0.0.1:0", **options})], name=name)
        try:
            self.port = int(self.wait_for(r"127\.0\.0\.1:([1-9][0-9]*)").group(1))
        except AssertionError:
            self.end()
            raise
        self.origin = f"http://127.0.0.1:{self.port}"

    def url(self, path="/runs", **parameters):
        return self.origin + path + ("?" + urllib.parse.urlencode(parameters) if parameters else "")

    def stats(self):
        with urllib.request.urlopen(self.url("/stats"), timeout=10) as answer:
            return json.load(answer)


def invocation(invocation_id, backend, simulate=None, timeout_seconds=60, **metadata):
    """A valid http_async invocation of the simulated backend. `simulate` are the backend's parameters; metadata's keys have
    _ for their first dot: http_poll_interval_seconds="0.1". None takes a key away."""
    keys = {
        "http.url": backend.url("/runs", **(simulate or {})),
        "http.poll_url_template": backend.url("/runs/{run_id}"),
        "http.poll_run_id_path": "run_id",
        "http.poll_status_path": "status",
        "http.poll_terminal_states": "completed,failed,cancelled",
        "http.poll_interval_seconds": "0.1",
    }
    for name, value in metadata.items():
        key = name.replace("_", ".", 1)
        keys.pop(key, None)
        if value is not None:
            keys[key] = str(value)
    return {
        "schema_version": "0.1",
        "contract_kind": "runtime_invocation",
        "invocation_id": invocation_id,
        "runtime_name": "test",
        "runtime_kind": "http_async",
        "working_directory": "/",
        "command": ["none"],
        "environment": {},
        "timeout_seconds": timeout_seconds,
        "input_payload_path": None,
        "output_result_path": None,
        "artifact_directory": None,
        "metadata": keys,
    }
