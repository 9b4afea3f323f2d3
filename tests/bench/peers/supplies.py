"""supplies: what the peers need and the machine may not have: each is fetched once, into build/bench/peers, and built there.

    python_program()      the Python that has aiokafka, aiohttp, httpx
    java_classpath()      of ParallelWorker and its libraries
    connect_program()     the Go program

What cannot be had raises NotHere with the reason. Downloads are tried three times, by each language's own tool as it is set up
on the machine, with its checks of what comes."""
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import time

from bench import BUILD, NotHere

HERE = pathlib.Path(__file__).resolve().parent
ROOM = BUILD / "peers"
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
ATTEMPTS = 3
GO_LEAST = (1, 24)


def _run(command, seconds, attempts=1, **rest):
    """Its output. NotHere with the line of it that says most."""
    said = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(5)
        try:
            done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=seconds, check=False, **rest)
        except subprocess.TimeoutExpired:
            said = f"it took more than {seconds} s"
            continue
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode(errors="replace"))
        if done.returncode == 0:
            return said
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["it said nothing"]
    telling = [line for line in lines if re.search("error|not found|forbidden|cannot|refused", line, re.IGNORECASE)]
    raise NotHere(f"{pathlib.Path(str(command[0])).name} failed: {(telling or lines)[0][:300]}")


def _once(make):
    """What could not be had is not tried for again by the next peer that needs it."""
    kept = []

    @functools.wraps(make)
    def go():
        if not kept:
            try:
                kept.append((make(), None))
            except NotHere as why:
                kept.append((None, why))
        made, why = kept[0]
        if why is not None:
            raise why
        return made
    return go


def _needs(tool, why=""):
    found = shutil.which(tool)
    if not found:
        raise NotHere(f"{tool} is not installed{why}")
    return found


def _made(name, sources, make):
    """The folder `name` of the room, which make(folder) has filled for just these sources; made again when they change."""
    folder = ROOM / name
    stamp = folder / "made-of"
    want = hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()
    if not stamp.exists() or stamp.read_text() != want:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        stamp.write_text(want)
    return folder


@_once
def python_program():
    requirements = HERE / "requirements.txt"

    def make(folder):
        # confluent-kafka comes from Debian, with the librdkafka that the worker is linked with.
        _run(["/usr/bin/python3", "-m", "venv", "--system-site-packages", folder / "venv"], 120)
        _run([folder / "venv/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--retries", "1", "--only-binary",
              ":all:", "-r", requirements], 300, ATTEMPTS)

    program = _made("python", [requirements], make) / "venv/bin/python"
    _run([program, "-c", "import confluent_kafka"], 60)
    return program


@_once
def java_classpath():
    source, pom = HERE / "parallel-consumer/ParallelWorker.java", HERE / "parallel-consumer/pom.xml"
    _needs("java")

    def fetch(folder):
        _run([_needs("mvn"), "-q", "-B", "-Dstyle.color=never", "-f", pom, COPY, "-DincludeScope=runtime",
              f"-DoutputDirectory={folder}/libs"], 300, ATTEMPTS)

    def compile_(folder):
        _run(["java", "-cp", next(libraries.glob("ecj-*.jar")), "org.eclipse.jdt.internal.compiler.batch.Main", "-17",
              "-proc:none", "-nowarn", "-cp", os.pathsep.join(map(str, libraries.glob("*.jar"))), "-d", folder, source], 120)

    libraries = _made("java", [pom], fetch) / "libs"
    classes = _made("java-classes", [source, pom], compile_)
    return f"{classes}:{libraries}/*"


@_once
def connect_program():
    sources = [HERE / "connect" / name for name in ("main.go", "go.mod", "go.sum")]
    go = _needs("go", f": Go {GO_LEAST[0]}.{GO_LEAST[1]} or later is needed")
    version = re.search(r"go(\d+)\.(\d+)", _run([go, "version"], 30))
    if not version or tuple(map(int, version.groups())) < GO_LEAST:
        raise NotHere(f"Go {GO_LEAST[0]}.{GO_LEAST[1]} or later is needed")

    def make(folder):
        environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly",
                       "GOMODCACHE": str(ROOM / "go-modules"), "GOCACHE": str(ROOM / "go-build")}
        _run([go, "mod", "download"], 300, ATTEMPTS, cwd=HERE / "connect", env=environment)
        _run([go, "build", "-o", folder / "connect", "."], 600, cwd=HERE / "connect", env=environment)

    return _made("connect", sources, make) / "connect"
