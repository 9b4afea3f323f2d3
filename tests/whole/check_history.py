"""check_history: judges a recorded History (history.py) by the guarantees that the worker gives.

    verdict = check_history(history, Mode(exactly_once=True, checkpoints=True))
    verdict.violations      # sentences, each beginning with the invariant that it breaks: "I2: …"
    verdict.figures         # {name: number or text}, in the order in which they are worth reading

I1 Every input has a result of a status that is due, and no result belongs to no input. Under exactly-once a
   read_committed reader sees exactly one; else duplicates are counted, and may be limited.
I2 A committed offset never passes an input, and its metadata never calls one done, before that input's result was
   appended; and it never moves back. Both times are the broker's, in milliseconds: a commit within the same
   millisecond as its result counts as after it (figure `commits_undecided`), so a breach by less than that is not
   seen. A result that is appended before a commit may still be unacknowledged then: what only its acknowledgement
   could tell is not seen either. While a broker is away it may move back, except under exactly-once: a commit that is in
   the hands of a coordinator when that fails over is taken after the heir has read the one before. It is counted
   (`moved_back_in_outages`). Under exactly-once a result and its offset share a transaction, within which either
   may come first: there the visible result must exist, and may be younger than the commit by no more than a
   transaction lasts.
I3 The backend sees one kickoff of each input. At-least-once allows one more after a crash: with checkpoints only
   where none had been written for the earlier one, and the crash came soon after it, or a broker was away, so that it
   could not be written; without, also where partitions moved. All have the Idempotency-Key of the input. At-most-once
   allows none, and kickoff_unknown only after a fault.
I4 A result bears its own input's id, its key, and a run id that the backend gave to a kickoff of that very input.
I5 A worker that is told to end has ended within its time, with status 0.
I6 Memory, open files and threads are after the load what they were before it.
I7 When a fault is over, something happens within a minute in each partition that has open inputs, and from then on
   again within each minute until these have their results: a kickoff, a poll or a result of one of its inputs. What a
   worker still had in hand is no sign that the partition is read. The time of a later fault does not count.

Pure: no clock, no Kafka, no files.
"""
import bisect
import collections
import dataclasses

EXAMPLES = 3
PENDING_MS = 15000  # so long may a commit lie with a coordinator whose replicas are away


@dataclasses.dataclass
class Verdict:
    violations: list = dataclasses.field(default_factory=list)
    figures: dict = dataclasses.field(default_factory=dict)

    def break_(self, invariant, what, cases):
        """One sentence for all cases of one kind; each case is a phrase."""
        if cases:
            more = f"; and {len(cases) - EXAMPLES} more" if len(cases) > EXAMPLES else ""
            self.violations.append(f"{invariant}: {what.format(n=len(cases))}: {'; '.join(cases[:EXAMPLES])}{more}")

    def text(self):
        lines = [f"{name}: {value}" for name, value in self.figures.items()]
        return "\n".join([*lines, *self.violations] if self.violations else [*lines, "nothing is violated"])


def check_history(history, mode):
    verdict = Verdict()
    verdict.figures["inputs"] = len(history.inputs)
    for check in (_results, _commits, _kickoffs, _belonging, _drains, _resources, _healing):
        check(history, mode, verdict)
    return verdict


def _name(place):
    return f"{place[0]}/{place[1]}"


def _counted(history, mode):
    """The results that count."""
    return history.visible if mode.exactly_once else history.results


def _is_progress(result):
    return result.json.get("status") in ("running", "pending")


def _by_place(records):
    found = collections.defaultdict(list)
    for record in records:
        if not _is_progress(record):
            found[record.place].append(record)
    return found


def _first_results(history, mode):
    """{place: when its first result was appended}"""
    return {place: min(result.at_ms for result in results)
            for place, results in _by_place(_counted(history, mode)).items()}


def _results(history, mode, verdict):
    results = _by_place(_counted(history, mode))
    places = {entry.place for entry in history.inputs}
    missing = [f"{entry.id} at {_name(entry.place)}" for entry in history.inputs if entry.place not in results]
    strange = [f"result {_name((r.partition, r.offset))} names {'no input' if place is None else _name(place)}"
               for place, found in results.items() if place not in places for r in found]
    extra = {place: len(found) - 1 for place, found in results.items() if place in places and len(found) > 1}
    wrong = []
    for entry in history.inputs:
        for result in results.get(entry.place, ()):
            status = result.json.get("status")
            if entry.statuses and status not in entry.statuses and not _is_unknown(result, mode):
                said = result.json.get("metadata", {}).get("error.code")
                wrong.append(f"{entry.id} is {status}{f' ({said})' if said else ''}, due was "
                             f"{' or '.join(sorted(entry.statuses))}")
    verdict.break_("I1", "{n} inputs have no result", missing)
    verdict.break_("I1", "{n} results belong to no input", strange)
    verdict.break_("I1", "{n} results are not what was due", wrong)
    duplicates = sum(extra.values())
    part = duplicates / len(history.inputs) if history.inputs else 0.0
    if mode.exactly_once:
        verdict.break_("I1", "{n} inputs have more than one result under exactly-once",
                       [f"{_name(place)} has {more + 1}" for place, more in extra.items()])
    elif part > mode.duplicates:
        verdict.violations.append(f"I1: {duplicates} results are duplicates, {part:.2%} of the inputs, over "
                                  f"{mode.duplicates:.2%}")
    verdict.figures["results"] = sum(map(len, results.values()))
    verdict.figures["results_missing"] = len(missing)
    verdict.figures["results_twice"] = duplicates
    verdict.figures["results_unseen"] = len(history.results) - len(history.visible)
    verdict.figures["results_resumed"] = sum(r.json.get("metadata", {}).get("resumed") == "true"
                                             for found in results.values() for r in found)


def _is_unknown(result, mode):
    return mode.at_most_once and result.json.get("metadata", {}).get("error.code") == "kickoff_unknown"


def _commits(history, mode, verdict):
    first = _first_results(history, mode)
    inputs = collections.defaultdict(list)
    for entry in history.inputs:
        inputs[entry.partition].append(entry.offset)
    for offsets in inputs.values():
        offsets.sort()
    back, early, resultless, beyond = [], [], [], []
    pending = 0
    margins = []
    undecided = taken_back = 0
    at = {}  # partition: its last committed offset
    taken_ms = {}  # partition: when that was committed
    called_done = collections.defaultdict(set)  # partition: what the last commit called done beyond it
    passed = collections.defaultdict(set)
    room_ms = mode.transaction_ms if mode.exactly_once else 0
    for commit in history.commits:
        partition, offsets = commit.partition, inputs[commit.partition]
        before = at.get(partition)
        if before is not None and commit.offset < before:
            if not mode.exactly_once and _was_pending(history, taken_ms[partition], commit.at_ms):
                pending += 1
            else:
                back.append(f"partition {partition} from {before} to {commit.offset}")
        at[partition], taken_ms[partition] = commit.offset, commit.at_ms
        end = offsets[-1] + 1 if offsets else 0
        if commit.offset > end:
            beyond.append(f"partition {partition} to {commit.offset}, the last input is {end - 1}")
        done = {offset for low, high in commit.done for offset in range(low, high + 1)}
        taken_back += sum(offset >= commit.offset and offset not in done for offset in called_done[partition])
        called_done[partition] = done
        low = 0 if before is None else bisect.bisect_left(offsets, before)
        new = offsets[low:bisect.bisect_left(offsets, commit.offset)]
        new += [offset for offset in done if _holds(offsets, offset)]
        for offset in new:
            if offset in passed[partition]:
                continue
            passed[partition].add(offset)
            place = (partition, offset)
            how = f"{_name(place)} by the commit of {commit.offset}"
            if place not in first:
                resultless.append(how)
                continue
            margin = commit.at_ms - first[place]
            margins.append(margin)
            undecided += margin == 0
            if margin < -room_ms:
                early.append(f"{how}, {-margin} ms before its result")
    verdict.break_("I2", "a committed offset moved back {n} times", back)
    verdict.break_("I2", "{n} commits pass the end of the inputs", beyond)
    verdict.break_("I2", "{n} inputs were passed and have no result", resultless)
    verdict.break_("I2", "{n} inputs were passed before their result", early)
    verdict.figures["commits"] = len(history.commits)
    verdict.figures["inputs_passed"] = len(margins) + len(resultless)
    verdict.figures["commit_after_result_ms_least"] = min(margins, default="none")
    verdict.figures["commits_undecided"] = undecided
    verdict.figures["done_taken_back"] = taken_back
    if pending:
        verdict.figures["moved_back_in_outages"] = pending


def _was_pending(history, first_ms, second_ms):
    """Whether the first of two commits may have been taken by a coordinator, and not yet shown to who read."""
    return second_ms - first_ms <= PENDING_MS and any(
        move.until_ms is not None and move.at_ms <= first_ms <= move.until_ms for move in history.moves)


def _holds(offsets, offset):
    index = bisect.bisect_left(offsets, offset)
    return index < len(offsets) and offsets[index] == offset


class _Excuses:
    """What may have made a second kickoff right."""

    def __init__(self, history, mode):
        self.mode = mode
        self.history = history
        self.runs = collections.defaultdict(list)  # place: when checkpoints of its runs were appended
        for checkpoint in history.checkpoints:
            if checkpoint.kind == "run":
                self.runs[(checkpoint.partition, checkpoint.offset)].append(checkpoint.at_ms)

    def fault_between(self, first_ms, second_ms):
        """A fault that can have cost the first kickoff's worker its memory of it, or made the second one's late."""
        last_ms = min(second_ms, first_ms + self.mode.write_ms) if self.mode.checkpoints else second_ms
        return any(fault.until_ms >= first_ms - self.mode.flight_ms and fault.from_ms <= last_ms
                   for fault in self.history.faults)

    def move_between(self, first_ms, second_ms):
        flight = self.mode.flight_ms
        return any(first_ms - flight <= move.end_ms and move.at_ms <= second_ms for move in self.history.moves)

    def outage_between(self, first_ms, second_ms):
        """A broker was away when the first kickoff's checkpoint was to be written."""
        last_ms = min(second_ms, first_ms + self.mode.write_ms)
        early_ms = first_ms - self.mode.flight_ms
        return any(move.until_ms is not None and move.until_ms >= early_ms and move.at_ms <= last_ms
                   for move in self.history.moves)

    def is_late(self, at_ms):
        """Sent by a worker that had been frozen and did not know yet that others had taken over."""
        return any(fault.what == "frozen" and fault.until_ms <= at_ms <= fault.until_ms + self.mode.wake_ms
                   for fault in self.history.faults)

    def wrong(self, place, first_ms, second_ms):
        """Why the second kickoff should not have been; None where it may have been."""
        if self.mode.at_most_once:
            return "under at-most-once"
        excused = self.fault_between(first_ms, second_ms)
        if not self.mode.checkpoints:
            return None if excused or self.move_between(first_ms, second_ms) else "though nothing had happened"
        if self.is_late(second_ms):
            return None
        if not excused and not self.outage_between(first_ms, second_ms):
            return "though no worker was killed or frozen soon after the first"
        # Who takes over reads what lies in the topic by then, and it takes a session timeout until somebody does.
        written = [at_ms for at_ms in self.runs[place]
                   if at_ms <= second_ms - max(self.mode.flight_ms, self.mode.restore_ms)]
        return f"though a checkpoint had been there for {second_ms - min(written)} ms" if written else None


def _kickoffs(history, mode, verdict):
    places = {entry.id: entry.place for entry in history.inputs}
    seen = collections.defaultdict(list)
    strange = []
    for kickoff in history.kickoffs:
        if kickoff.id in places:
            seen[kickoff.id].append(kickoff)
        else:
            strange.append(repr(kickoff.id))
    excuses = _Excuses(history, mode)
    wrong, keys = [], []
    for id_, kickoffs in seen.items():
        for first, second in zip(kickoffs, kickoffs[1:]):
            reason = excuses.wrong(places[id_], first.at_ms, second.at_ms)
            if reason:
                wrong.append(f"{id_} at {_name(places[id_])} again after {second.at_ms - first.at_ms} ms, {reason}")
        keys += [f"{id_} with {k.idempotency_key!r}" for k in kickoffs if k.idempotency_key != id_]
    unknown = [result for result in _counted(history, mode)
               if result.json.get("metadata", {}).get("error.code") == "kickoff_unknown"]
    needless = [_name(r.place) for r in unknown if not mode.at_most_once
                or not any(fault.from_ms <= r.at_ms for fault in history.faults)]
    verdict.break_("I3", "{n} inputs were kicked off again", wrong)
    verdict.break_("I3", "{n} kickoffs do not bear their input's Idempotency-Key", keys)
    verdict.break_("I3", "{n} kickoffs are of no input", strange)
    verdict.break_("I3", "{n} results say kickoff_unknown without a fault that can explain it", needless)
    counts = collections.Counter(map(len, seen.values()))
    verdict.figures["kickoffs"] = len(history.kickoffs)
    verdict.figures["inputs_kicked_off_again"] = sum(n for times, n in counts.items() if times > 1)
    verdict.figures["kickoffs_of_one_input_most"] = max(counts, default=0)
    verdict.figures["kickoff_unknown"] = len(unknown)
    kinds = collections.Counter(checkpoint.kind for checkpoint in history.checkpoints)
    if history.checkpoints:
        verdict.figures["checkpoints"] = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))


def _belonging(history, mode, verdict):
    entries = {entry.place: entry for entry in history.inputs}
    given = collections.defaultdict(set)
    owners = collections.defaultdict(set)
    for kickoff in history.kickoffs:
        if kickoff.run_id is not None:
            given[kickoff.id].add(kickoff.run_id)
            owners[kickoff.run_id].add(kickoff.id)
    ids, keys, runs = [], [], []
    for result in history.results:
        entry = entries.get(result.place)
        if entry is None:
            continue  # said by I1
        if result.json.get("invocation_id") != entry.id:
            ids.append(f"that of {_name(entry.place)} says {result.json.get('invocation_id')!r}, not {entry.id!r}")
        due = entry.key if entry.key is not None else entry.id.encode()
        if result.key != due:
            keys.append(f"that of {_name(entry.place)} has {result.key!r}, not {due!r}")
        run_id = result.json.get("metadata", {}).get("http.run_id")
        if run_id is not None and run_id not in given[entry.id]:
            others = ", ".join(sorted(owners[run_id])) or "nobody"
            runs.append(f"that of {entry.id} names {run_id}, which the backend gave to {others}")
        elif run_id is None and result.json.get("status") == "succeeded":
            runs.append(f"that of {entry.id} names none, and succeeded")
    verdict.break_("I4", "{n} results bear another input's id", ids)
    verdict.break_("I4", "{n} results bear another key", keys)
    verdict.break_("I4", "{n} results bear a run id that is not their input's", runs)


def _drains(history, mode, verdict):
    late = [f"{drain.worker} took {drain.seconds:.1f} s of {drain.limit:g}" for drain in history.drains
            if drain.seconds > drain.limit]
    bad = [f"{drain.worker} with {drain.status}" for drain in history.drains if drain.status != 0]
    verdict.break_("I5", "{n} workers did not end in their time", late)
    verdict.break_("I5", "{n} workers ended badly", bad)
    if history.drains:
        verdict.figures["drains"] = len(history.drains)
        verdict.figures["drain_seconds_most"] = round(max(drain.seconds for drain in history.drains), 2)


def _resources(history, mode, verdict):
    before = {sample.worker: sample for sample in history.samples if not sample.after}
    grown = []
    worst = collections.Counter()
    limits = {"rss_bytes": mode.rss_growth_bytes, "fds": mode.fd_growth, "threads": mode.thread_growth}
    for sample in history.samples:
        if not sample.after or sample.worker not in before:
            continue
        for field, limit in limits.items():
            old, new = getattr(before[sample.worker], field), getattr(sample, field)
            worst[field] = max(worst[field], new - old)
            if new - old > limit:
                grown.append(f"{field} of {sample.worker} from {old} to {new}, {limit} more are allowed")
    verdict.break_("I6", "{n} things are not back at their start", grown)
    for field, growth in worst.items():
        verdict.figures[f"growth_{field}"] = growth


def _work(history):
    """{partition: sorted times at which something was done for one of its inputs}"""
    partitions = {entry.id: entry.partition for entry in history.inputs}
    runs = {kickoff.run_id: partitions.get(kickoff.id) for kickoff in history.kickoffs if kickoff.run_id is not None}
    work = collections.defaultdict(list)
    for result in history.results:
        if result.place is not None:
            work[result.place[0]].append(result.at_ms)
    for kickoff in history.kickoffs:
        work[partitions.get(kickoff.id)].append(kickoff.at_ms)
    for poll in history.polls:
        work[runs.get(poll.run_id)].append(poll.at_ms)
    for times in work.values():
        times.sort()
    return work


def _quiet(early_ms, late_ms, faults):
    """The longest part of that time in which no fault was going on."""
    longest = 0
    for begun_ms, healed_ms in faults:
        if healed_ms <= early_ms or begun_ms >= late_ms:
            continue
        longest = max(longest, begun_ms - early_ms)
        early_ms = healed_ms
    return max(longest, late_ms - early_ms)


def _healing(history, mode, verdict):
    faults = sorted((healing.begun_ms, healing.at_ms) for healing in history.healings if healing.begun_ms is not None)
    first = _first_results(history, mode)
    work = _work(history)
    still, waits, longest = [], [], 0
    for healing in history.healings:
        is_open = collections.defaultdict(list)
        for entry in history.inputs:
            done_ms = first.get(entry.place)
            if done_ms is None or done_ms > healing.at_ms:
                is_open[entry.partition].append(done_ms)
        for partition, done in sorted(is_open.items()):
            where = f"'{healing.what}' in partition {partition}, with {len(done)} inputs open"
            times = work[partition][bisect.bisect_right(work[partition], healing.at_ms):]
            if times:
                waits.append(times[0] - healing.at_ms)
            else:
                still.append(f"nothing after {where}")
                continue
            if None in done:
                times += [history.until_ms] if history.until_ms is not None else []
            else:
                times = times[:bisect.bisect_right(times, max(done))]
            gap = max(_quiet(early, late, faults) for early, late in zip([healing.at_ms, *times], times))
            longest = max(longest, gap)
            if gap > mode.heal_ms:
                still.append(f"{gap / 1000:.1f} s without a sign of work after {where}")
    verdict.break_("I7", f"work did not go on within {mode.heal_ms / 1000:g} s {{n}} times", still)
    if waits:
        verdict.figures["healing_ms_most"] = max(waits)
        verdict.figures["standstill_ms_most"] = longest
