#!/usr/bin/python3
"""with_broker: starts a Kafka broker, runs a command with its address in RXP_TEST_BROKER and its process id in
RXP_TEST_BROKER_PID, and stops it.

    tests/whole/with_broker.py COMMAND [ARGUMENT]...     ends as the command does
    tests/whole/with_broker.py --fetch-only              fetches Kafka and what else the tests run in Java, for later

Where no broker can be had the command runs all the same, with the reason in RXP_TEST_BROKER_MISSING: tests that need a
broker skip, the others run. Where that variable is set already, no broker is tried.
"""
import os
import signal
import subprocess
import sys

from broker import Broker, Unavailable
from child import die_with_parent
from libraries import kafka_libraries, spring_libraries


def fetch():
    try:
        print(kafka_libraries())
    except Unavailable as reason:
        print(reason, file=sys.stderr)
        return 1
    try:
        print(spring_libraries())
    except Unavailable as reason:  # one test's trouble, and said there
        print(reason, file=sys.stderr)
    return 0


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__, end="")
        return 2
    # Orderly, so that the broker's data goes, too; and not leaving a broker behind when the starter is killed outright.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    die_with_parent()
    if sys.argv[1] == "--fetch-only":
        return fetch()
    environment = dict(os.environ)
    environment.pop("RXP_TEST_BROKER", None)
    broker = None
    try:
        try:
            if not environment.get("RXP_TEST_BROKER_MISSING"):
                broker = Broker()
                environment["RXP_TEST_BROKER"] = broker.bootstrap
                environment["RXP_TEST_BROKER_PID"] = str(broker.child.pid)
        except Unavailable as reason:
            print(reason, file=sys.stderr)
            environment["RXP_TEST_BROKER_MISSING"] = str(reason).removeprefix("no Kafka broker: ").splitlines()[0]
        command = subprocess.Popen(sys.argv[1:], env=environment)
        try:
            return command.wait()
        finally:
            if command.poll() is None:
                command.terminate()
                command.wait()
    finally:
        if broker is not None:
            broker.end()


if __name__ == "__main__":
    sys.exit(main())
