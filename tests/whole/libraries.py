"""libraries: the jars that tests run, fetched by Maven once a machine and kept in the user's cache.

    kafka_libraries()     the folder of a Kafka broker's
    spring_libraries()    that of Spring's client for Kafka, and of a Java compiler
"""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

from child import ROOT

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
FETCH_ATTEMPTS = 3


class Unavailable(Exception):
    """What a test needs can't be had here: a broker, a small disk, Spring. The text says why, for a test to skip with."""

    def __init__(self, reason, what="no Kafka broker"):
        super().__init__(f"{what}: {reason}")


class _Bundle:
    """What one pom.xml asks for. `artifact` is the one whose version names the folder."""

    def __init__(self, name, pom, artifact, missing):
        self.pom = ROOT / "tests/support" / pom
        self.missing = missing
        version = re.search(rf"<artifactId>{re.escape(artifact)}</artifactId>\s*<version>([^<]+)", self.pom.read_text())
        self.title = f"{name}-{version.group(1)}"

    def fetch(self):
        """The folder. Raises Unavailable."""
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "rxp-worker"
        folder = cache / self.title
        if folder.is_dir():
            return folder
        for tool in ("java", "mvn"):
            if not shutil.which(tool):
                raise Unavailable(f"{tool} is not installed", self.missing)
        cache.mkdir(parents=True, exist_ok=True)
        with open(cache / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # tests/run.sh fetches while it builds
            if folder.is_dir():
                return folder
            for attempt in range(1, FETCH_ATTEMPTS + 1):
                # The folder gets its name when it is whole: a download that was cut off is never taken for one.
                with tempfile.TemporaryDirectory(dir=cache, prefix="partial-") as partial:
                    said = self._fetch_into(partial)
                    if said is None:
                        os.rename(pathlib.Path(partial) / "libs", folder)
                        return folder
                if attempt < FETCH_ATTEMPTS:
                    time.sleep(5)
        raise Unavailable(f"Maven could not fetch {self.title}: {said}", self.missing)

    def _fetch_into(self, folder):
        """None, or why it failed."""
        command = ["mvn", "-q", "-B", "-Dstyle.color=never", "-f", self.pom, COPY, "-DincludeScope=runtime",
                   f"-DoutputDirectory={folder}/libs"]
        try:
            done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            return "it took more than 300 s"
        if done.returncode == 0:
            return None
        said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout.decode(errors="replace"))
        print(said, file=sys.stderr)  # for the log
        errors = [line.removeprefix("[ERROR]").strip() for line in said.splitlines() if line.startswith("[ERROR]")]
        return " ".join(filter(None, errors[:2]))[:400] or f"exit status {done.returncode}"


def kafka_libraries():
    return _Bundle("kafka", "kafka-pom.xml", "kafka_2.13", "no Kafka broker").fetch()


def spring_libraries():
    return _Bundle("spring-kafka", "spring-reply/pom.xml", "spring-kafka", "no Spring").fetch()
