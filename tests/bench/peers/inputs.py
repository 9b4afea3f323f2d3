"""inputs: what the Python peers have in common: the offsets of a partition's inputs, and the result of one."""
import collections
import datetime

TERMINAL = {"completed", "failed", "cancelled"}


class Offsets:
    """Of one partition: what may be committed, however results come in. Offsets may have gaps."""

    def __init__(self):
        self.open = collections.deque()  # what came and is not passed yet, in order
        self.done = set()  # of these
        self.next = self.committed = None

    def finish(self, offset):
        self.done.add(offset)
        while self.open and self.open[0] in self.done:
            passed = self.open.popleft()
            self.done.remove(passed)
            self.next = passed + 1


def timestamp():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def result_of(invocation, started, ended, worker, source):
    """ended: (run id, its last status, polls); source: (topic, partition, offset)."""
    run_id, status, polls = ended
    topic, partition, offset = source
    succeeded = status == "completed"
    return {
        "schema_version": "0.1", "contract_kind": "runtime_result", "invocation_id": invocation["invocation_id"],
        "runtime_name": invocation["runtime_name"], "runtime_kind": invocation["runtime_kind"],
        "status": "succeeded" if succeeded else "failed", "exit_code": 0 if succeeded else 1,
        "started_at": started, "finished_at": timestamp(), "stdout_path": None, "stderr_path": None,
        "artifacts": [], "error_summary": None,
        "metadata": {"http.run_id": run_id, "http.status": status, "http.polls": str(polls), "worker.id": worker,
                     "source.topic": topic, "source.partition": str(partition), "source.offset": str(offset)}}
