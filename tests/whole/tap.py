"""tap: test functions with sentences for names, run in order, reported as TAP on stdout.

    from tap import equal, holds, run_all, skip, test

    @test("an empty file is invalid")
    def _():
        equal(run_command("validate", "/dev/null").returncode, 1)

    if __name__ == "__main__":
        run_all()

A test fails by any exception and is left out by skip("reason"). Arguments of the program choose tests: those whose
sentence contains one of them.
"""
import sys
import time
import traceback

_tests = []


class Skip(Exception):
    """Raised by skip."""


def skip(reason):
    """Leaves the running test out: `ok N - sentence # SKIP reason`."""
    raise Skip(reason)


def test(sentence):
    """Decorator: the function is a test of that name. It may be used several times on one function."""
    def register(function):
        if any(sentence == other for other, _ in _tests):
            raise ValueError(f"two tests are called '{sentence}'")
        _tests.append((sentence, function))
        return function
    return register


def rows(template, table):
    """Decorator: one test for each row. Its fields fill the template's {0}, {1}, … and are the function's arguments."""
    def register(function):
        for row in table:
            test(template.format(*row))(lambda row=row: function(*row))
        return function
    return register


def equal(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what or 'value'}: got {got!r}, expected {expected!r}")


def holds(text, *parts):
    """Each part stands in the text."""
    for part in parts:
        if part not in text:
            raise AssertionError(f"{part!r} is missing in:\n{text}")


def lacks(text, *parts):
    """No part stands in the text."""
    for part in parts:
        if part in text:
            raise AssertionError(f"{part!r} should not be in:\n{text}")


def _run(number, sentence, function):
    """True unless the test failed."""
    start = time.monotonic()
    label = f"{number} - {' '.join(sentence.replace('#', ' ').split())}"
    try:
        function()
    except Skip as reason:
        print(f"ok {label} # SKIP {reason}")
    except Exception:  # whatever it is, it is this test's failure, and the next one runs
        print(f"not ok {label}")
        for line in traceback.format_exc().splitlines():
            print(f"# {line}")
        return False
    else:
        print(f"ok {label}")
    finally:
        print(f"# {time.monotonic() - start:.2f} s", flush=True)
    return True


def run_all():
    """Runs the tests and ends the program: 0 where none failed."""
    words = sys.argv[1:]
    chosen = [(sentence, function) for sentence, function in _tests
              if not words or any(word in sentence for word in words)]
    passed = [_run(number, sentence, function) for number, (sentence, function) in enumerate(chosen, 1)]
    print(f"1..{len(chosen)}", flush=True)
    sys.exit(0 if all(passed) else 1)
