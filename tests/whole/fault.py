"""fault: what fault_*.py have in common: a fault in its full form, and a short one for every day.

    @fault("workers are killed at random", modes=(Mode(), …), short_modes=(Mode(),))
    def crash(mode, seed, short): ...

    tests/whole/fault_crash.py [--short] [--seed N] [WORD…]      TAP, as test_*.py write it

RXP_TEST_SEED settles the seed, too. It is printed with each form; the same seed does the same things to the same
workers.
"""
import os
import random
import sys

import tap
from fleet import mode_name

_faults = []


def fault(sentence, modes, short_modes=None):
    """Decorator: function(mode, seed, short) is a fault test, made once for each of the modes. Where one of these is a
    tuple of modes, the function has it as it is: the same faults befall workers of all of them at once."""
    def register(function):
        _faults.append((sentence, function, modes, modes[:1] if short_modes is None else short_modes))
        return function
    return register


def _seed():
    return int(os.environ.get("RXP_TEST_SEED") or random.SystemRandom().randrange(1 << 32))


def register_tests(short):
    """Makes a test of each fault that was imported, for each of its modes."""
    seed = _seed()
    for sentence, function, modes, short_modes in _faults:
        for mode in short_modes if short else modes:
            def run(function=function, mode=mode):
                print(f"#   seed {seed}", flush=True)
                function(mode, seed, short)
            name = "; ".join(map(mode_name, mode if isinstance(mode, tuple) else (mode,)))
            tap.test(f"{sentence}: {name}")(run)


def run_fault():
    """The program of a fault_*.py."""
    words = sys.argv[1:]
    short = "--short" in words
    if short:
        words.remove("--short")
    if "--seed" in words:
        index = words.index("--seed")
        os.environ["RXP_TEST_SEED"] = words[index + 1]
        del words[index:index + 2]
    sys.argv[1:] = words
    register_tests(short)
    tap.run_all()
