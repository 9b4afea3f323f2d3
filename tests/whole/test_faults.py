#!/usr/bin/python3
"""The short form of every fault test, fault_*.py, several at a time: they mostly wait.

Words choose scripts whose name contains one of them. `tests/run.sh faults` runs the full forms."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

AT_ONCE = 3
TAP_LINE = re.compile(r"^(not )?ok \d+ - (.*)$")


def run_script(script):
    """Its name, its exit status, and what it said."""
    # The kernel looks at the thread that starts it, which waits here until it has ended.
    done = subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", sys.executable, str(script), "--short"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env={**os.environ, "PYTHONUNBUFFERED": "1"})
    return script.stem, done.returncode, done.stdout.decode(errors="replace")


def main():
    scripts = [script for script in sorted(pathlib.Path(__file__).parent.glob("fault_*.py"))
               if not sys.argv[1:] or any(word in script.stem for word in sys.argv[1:])]
    number, status = 0, 0
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for name, returncode, said in pool.map(run_script, scripts):
            print(f"# {name}")
            failed = False
            planned = False
            for line in said.splitlines():
                result = TAP_LINE.match(line)
                if result:
                    number += 1
                    failed = failed or bool(result.group(1))
                    print(f"{result.group(1) or ''}ok {number} - {result.group(2)}")
                elif line.startswith("1.."):
                    planned = True
                else:
                    print(line if line.startswith("#") else f"# {line}")
            if not failed and (returncode != 0 or not planned):
                number += 1
                failed = True
                print(f"not ok {number} - {name} ended with {returncode}{'' if planned else ' and without a plan'}")
            status = status or int(failed)
            sys.stdout.flush()
    print(f"1..{number}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
