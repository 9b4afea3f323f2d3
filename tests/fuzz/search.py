#!/usr/bin/python3
"""search: lets libFuzzer search each target of build/fuzz for RXP_TEST_FUZZ_SECONDS (300), beginning with its seeds and with what
earlier searches found worth keeping (build/fuzz/corpus). A finding is kept beside the logs as fuzz-NOUN-…: mend it, and let a
seed of it stay.

    search.py [NAME…]     targets whose names contain a NAME; RXP_TEST_FUZZ_NAMES, with spaces between them, are the same
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("RXP_TEST_FUZZ_BUILT", ROOT / "build/fuzz"))
LOGS = pathlib.Path(os.environ.get("RXP_TEST_LOGS", "."))
SECONDS = int(os.environ.get("RXP_TEST_FUZZ_SECONDS", "300"))
AT_ONCE = int(os.environ.get("RXP_TEST_FUZZ_JOBS", "0")) or max(1, (os.cpu_count() or 1) // 2)


def search(noun):
    """(whether nothing was found, what libFuzzer said last)."""
    corpus = BUILT / "corpus" / noun
    corpus.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"fuzz-{noun}.log"
    command = [str(BUILT / "tests" / f"fuzz_{noun}"), f"-max_total_time={SECONDS}", "-max_len=8192", "-timeout=10",
               "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={LOGS}/fuzz-{noun}-",
               str(corpus), str(ROOT / "tests/fuzz" / noun)]
    with open(log, "wb") as output:
        status = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
                                preexec_fn=lambda: os.nice(10)).returncode
    text = log.read_text(errors="replace")
    done = re.findall(r"stat::number_of_executed_units: (\d+)", text)
    cover = re.findall(r"cov: (\d+)", text)
    figures = f"{done[-1] if done else '?'} executions, {cover[-1] if cover else '?'} edges"
    return status == 0, figures, [line for line in text.splitlines() if "must hold" in line or "ERROR" in line][-5:]


def main():
    names = sys.argv[1:] or os.environ.get("RXP_TEST_FUZZ_NAMES", "").split()
    nouns = sorted(path.stem.removeprefix("test_") for path in (ROOT / "tests/fuzz").glob("test_*.c"))
    nouns = [noun for noun in nouns if not names or any(name in noun for name in names)]
    if shutil.which("clang") is None:
        print("1..0 # skip clang is not here, whose libFuzzer searches")
        return 0
    if not nouns:
        print(f"no target's name contains: {' '.join(names)}", file=sys.stderr)
        return 2
    failed = 0
    print(f"1..{len(nouns)}", flush=True)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for number, (noun, outcome) in enumerate(zip(nouns, pool.map(search, nouns)), 1):
            held, figures, said = outcome
            failed += not held
            print(f"ok {number} - {noun}: nothing found in {SECONDS} s" if held else
                  f"not ok {number} - {noun}: libFuzzer found something, see fuzz-{noun}.log")
            print(f"# {noun}: {figures}")
            for line in said:
                print(f"  {line}")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
