"""execution: `rxp-worker exec`, many at a time, each held to the contract of a result.

    runs = Executions()
    runs.plan("a", invocation("a", backend))          # at the top of a test file
    ...
    runs["a"].result["status"]                        # in a test: the first one starts them all
"""
import concurrent.futures
import datetime
import json
import re
import time

from child import ROOT
from tap import equal
from worker import run_command

try:
    import jsonschema
except ImportError:
    jsonschema = None

FIELDS = ["schema_version", "contract_kind", "invocation_id", "runtime_name", "runtime_kind", "status", "exit_code",
          "started_at", "finished_at", "stdout_path", "stderr_path", "artifacts", "error_summary", "metadata"]
EXIT_STATUSES = {"succeeded": 0, "failed": 1, "rejected": 3, "timed_out": 4, "cancelled": 5}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TOGETHER = 12
SCHEMA = json.loads((ROOT / "protocol/schemas/runtime-result.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA) if jsonschema else None


def _object(pairs):
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise AssertionError(f"a key occurs twice among {names}")
    return dict(pairs)


def stamp_seconds(stamp):
    return datetime.datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc).timestamp()


class Outcome:
    """A result. Everything that is true of every result has been checked: it came about between `began` and `ended`."""

    def __init__(self, text, began, ended):
        self.result = json.loads(text, object_pairs_hook=_object) if isinstance(text, str) else text
        self.metadata = self.result["metadata"]
        self.began, self.ended = began, ended
        self._check()

    @property
    def seconds(self):
        """From started_at to finished_at."""
        return stamp_seconds(self.result["finished_at"]) - stamp_seconds(self.result["started_at"])

    def _check(self):
        result = self.result
        equal(list(result), FIELDS, "fields")
        if VALIDATOR:
            VALIDATOR.validate(result)
        equal((result["schema_version"], result["contract_kind"]), ("0.1", "runtime_result"))
        equal((result["stdout_path"], result["stderr_path"], result["artifacts"]), (None, None, []))
        for name in ("started_at", "finished_at"):
            if not STAMP.fullmatch(result[name]):
                raise AssertionError(f"{name} is {result[name]}")
        if not self.began - 0.1 <= stamp_seconds(result["started_at"]) <= stamp_seconds(result["finished_at"]) <= \
                self.ended + 0.1:
            raise AssertionError(f"stamps {result['started_at']} and {result['finished_at']} of what ran from "
                                 f"{self.began} to {self.ended}")
        if result["status"] == "rejected":
            equal(result["started_at"], result["finished_at"], "stamps of a rejection")
        succeeded = result["status"] == "succeeded"
        equal(result["error_summary"] is None, succeeded, "no error_summary")
        equal("error.code" in self.metadata, not succeeded, "error.code is there")
        for key, value in self.metadata.items():
            equal(isinstance(value, str), True, f"metadata {key} is a string")
        if not re.fullmatch(r"0|[1-9]\d*", self.metadata["http.polls"]):
            raise AssertionError(f"http.polls is {self.metadata['http.polls']}")

    def is_one(self, status, exit_code, error=None, summary=None, **others):
        """The outcome. A summary that is a compiled pattern must match wholly. Others: polls=1, run_id="x", state="y";
        None where the result has none."""
        result = self.result
        outcome = (result["status"], result["exit_code"], self.metadata.get("error.code"))
        equal(outcome, (status, exit_code, error), f"outcome of {result}")
        if isinstance(summary, str):
            equal(result["error_summary"], summary)
        elif summary is not None and not summary.fullmatch(result["error_summary"]):
            raise AssertionError(f"{result['error_summary']!r} is not /{summary.pattern}/")
        keys = {"polls": "http.polls", "run_id": "http.run_id", "state": "http.status"}
        for name, value in others.items():
            equal(self.metadata.get(keys[name]), str(value) if isinstance(value, int) else value, keys[name])


class Execution(Outcome):
    """One that has ended, and what it wrote."""

    def __init__(self, done, began, ended, has_file_failed=False):
        self.exit_status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        lines = self.stdout.split("\n")
        if len(lines) != 2 or lines[1]:
            raise AssertionError(f"not one line on stdout, but {self.stdout!r}; stderr: {self.stderr}")
        super().__init__(lines[0], began, ended)
        equal(self.exit_status, 1 if has_file_failed else EXIT_STATUSES[self.result["status"]], "exit status")
        if not has_file_failed:
            equal(self.stderr, "", "stderr")


def execute(given, *arguments, environment=None, folder=None, has_file_failed=False):
    """`given` is an invocation, or the text or bytes of one; None where the arguments name a file."""
    text = given if given is None or isinstance(given, (str, bytes)) else json.dumps(given, ensure_ascii=False)
    began = time.time()
    done = run_command("exec", *arguments, given=text, environment=environment, folder=folder, seconds=120)
    return Execution(done, began, time.time(), has_file_failed)


class Executions:
    def __init__(self):
        self._planned = {}
        self._started = None
        self._pool = concurrent.futures.ThreadPoolExecutor(TOGETHER)  # its threads last as long as the program

    def plan(self, name, given, *arguments, **keywords):
        if name in self._planned:
            raise ValueError(f"two executions are called '{name}'")
        self._planned[name] = (given, arguments, keywords)

    def start(self):
        if self._started is None:
            self._started = {name: self._pool.submit(execute, given, *arguments, **keywords)
                             for name, (given, arguments, keywords) in self._planned.items()}

    def __getitem__(self, name):
        self.start()
        return self._started[name].result()

    def wait(self):
        """Until all have ended, well or not."""
        self.start()
        concurrent.futures.wait(self._started.values())

    def names(self):
        return list(self._planned)
