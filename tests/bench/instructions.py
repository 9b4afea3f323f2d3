#!/usr/bin/python3
"""instructions: how many instructions the hot paths take, by callgrind: exact, whatever else the machine does.

Compared with what is recorded in tests/bench/instructions/counts.txt; tests/bench/instructions/check.py says more, records,
and shows where they go."""
import sys

from bench import BUILD, ROOT, Bench, NotHere, program

sys.path.insert(0, str(ROOT / "tests/bench/instructions"))

import check  # noqa: E402


def main():
    bench = Bench("instructions", __doc__, rounds=1, quick_rounds=1)
    with bench.run():
        try:
            for name in check.PROGRAMS:
                program(name)
            terms, measured = check.count(BUILD)
            recorded_terms, recorded = check.read_record(check.COUNTS)
        except check.Missing as missing:
            raise NotHere(str(missing)) from missing
        bench.figures |= {**terms, "flags": check.flags_of(BUILD), "instructions": measured, "recorded": recorded}
        bench.table("instructions of a turn of each path", *check.table(recorded, measured))
        for term in check.differing(recorded_terms, terms):
            print(f"  recorded with {term}")


if __name__ == "__main__":
    main()
