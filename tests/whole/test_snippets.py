#!/usr/bin/python3
"""The programs in protocol/README.md, as they stand there, up to names of topics, groups and brokers: they enqueue, read, cancel.

Those in Go are tried where there is a Go compiler that can fetch its client; elsewhere they are not among the tests."""
import atexit
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from child import ROOT, Child, plain_environment
from cluster import Message
from libraries import Unavailable, kafka_libraries, spring_libraries
from scene import Scene
from tap import equal, run_all, skip, test
from worker import invocation

README = (ROOT / "protocol/README.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"<!-- ([A-Za-z]+\.(?:py|java|go))\b[^>]*-->\n```[a-z]+\n(.*?)```", README, re.S))
ID = "order-4711"
QUICK = {"code": "200", "instant": "1"}
FRANZ_GO = "github.com/twmb/franz-go@v1.18.0"
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="rxp-snippets-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def fitted(name, scene, control="rxp.control"):
    """The program's text for a scene, and a folder of its own that holds invocation.json."""
    text = PROGRAMS[name]
    for said, meant in (("localhost:9092", scene.kafka.bootstrap), ("rxp.invocations", scene.invocations),
                        ("rxp.results", scene.results), ("rxp.control", control), ('"orders-', f'"{scene.group}-')):
        text = text.replace(said, meant)
    folder = pathlib.Path(tempfile.mkdtemp(dir=FOLDER))
    (folder / name).write_text(text, encoding="utf-8")
    (folder / "invocation.json").write_text(json.dumps(invocation(ID, scene.backend, QUICK)), encoding="utf-8")
    return folder


def python(name, folder):
    return ["/usr/bin/python3", folder / name]


def java(name, folder):
    try:
        jars, compiler = kafka_libraries(), next(spring_libraries().glob("ecj-*.jar"))
    except Unavailable as reason:
        skip(str(reason))
    compiled = subprocess.run(["java", "-cp", compiler, "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-proc:none",
                               "-cp", ":".join(map(str, jars.glob("*.jar"))), "-d", folder, folder / name],
                              capture_output=True, text=True, check=False, timeout=120, env=plain_environment())
    equal(compiled.returncode, 0, compiled.stdout + compiled.stderr)
    return ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
            f"{folder}:{jars}/*", pathlib.Path(name).stem]


def go_tool(folder, *words, seconds=240):
    return subprocess.run(["go", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=seconds,
                          env={**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0"})


def go(name, folder):
    for file in ("go.mod", "go.sum"):
        shutil.copy(FOLDER / file, folder)
    for step in (("vet", name), ("build", "-o", "program", name)):
        done = go_tool(folder, *step)
        equal(done.returncode, 0, done.stdout + done.stderr)
    formatted = subprocess.run(["gofmt", "-l", name], cwd=folder, capture_output=True, text=True, check=False)
    equal((formatted.returncode, formatted.stdout), (0, ""), "what gofmt would change")
    return [folder / "program"]


def go_is_here():
    if not shutil.which("go") or not shutil.which("gofmt"):
        print("# the programs in Go are not tried: there is no Go compiler here")
        return False
    (FOLDER / "go.mod").write_text("module snippets\n\ngo 1.21\n", encoding="utf-8")
    try:
        done = go_tool(FOLDER, "get", FRANZ_GO + "", seconds=120)
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode != 0:
        print("# the programs in Go are not tried: their client cannot be fetched here")
        return False
    return True


def run(command, folder):
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, check=False, timeout=120,
                          env=plain_environment())
    equal(done.returncode, 0, done.stdout + done.stderr)


def enqueue_and_read(language, enqueue, results):
    with Scene(partitions=2) as scene:
        scene.worker()
        folder = fitted(enqueue, scene)
        run(language(enqueue, folder), folder)
        record = scene.wait_for_results(1)[0]
        source = scene.kafka.read_all(scene.invocations)
        equal([(one.key, one.json()["invocation_id"]) for one in source], [(ID.encode(), ID)])
        # A result that came twice, and one more, so that it is known when all was read.
        scene.kafka.produce(scene.results, [Message(record.value, key=record.key, partition=record.partition)])
        scene.produce([Message(invocation("the-last", scene.backend, QUICK), key=ID)])
        scene.wait_for_results(3)
        folder = fitted(results, scene)
        with Child(language(results, folder), name=results, folder=folder) as reader:
            reader.wait_for("the-last succeeded", 60)
            equal(reader.output().count(f"{ID} succeeded"), 1, reader.output())


@test("every program in the guide is one that is tried here")
def _():
    equal(sorted(PROGRAMS), ["Enqueue.java", "Results.java", "cancel.py", "enqueue.go", "enqueue.py", "results.go", "results.py"])
    equal(len(re.findall(r"^```(?:python|java|go)$", README, re.M)), len(PROGRAMS), "blocks")


@test("Python: enqueues, and prints each result once")
def _():
    enqueue_and_read(python, "enqueue.py", "results.py")


@test("Python: cancels")
def _():
    with Scene(partitions=1) as scene:
        control = scene.kafka.create_topic("control", 1, message_timestamp_type="LogAppendTime")
        scene.worker(control_topic=control)
        scene.produce([invocation(ID, scene.backend, {"seconds": "600"}, timeout_seconds=900)])
        scene.wait_for_checkpoints(1)
        folder = fitted("cancel.py", scene, control)
        run(python("cancel.py", folder), folder)
        equal(scene.wait_for_results(1)[0].json()["status"], "cancelled")


@test("Java: enqueues, and prints each result once")
def _():
    enqueue_and_read(java, "Enqueue.java", "Results.java")


if go_is_here():
    @test("Go: enqueues, and prints each result once")
    def _():
        enqueue_and_read(go, "enqueue.go", "results.go")


if __name__ == "__main__":
    run_all()
