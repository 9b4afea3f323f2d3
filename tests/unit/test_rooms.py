#!/usr/bin/python3
"""The house's plan, held against the sources: which room may include which, where foreign libraries may be named, and how
long a file may be. Another root than the repository's may be given, to try the checks themselves."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
ROOT = ROOT if len(sys.argv) > 1 else ROOT.parents[2]

# Rooms that a room's files may include, beside its own.
MAY_INCLUDE = {
    "base": set(),
    "protocol": set(),
    "ops": {"base", "protocol"},
    "engine": {"base", "protocol", "ops"},
    "kafka": {"base", "protocol", "ops"},  # of protocol the words alone, for "did you mean"
    "core": {"base", "protocol", "ops", "engine", "kafka"},
    "backend": {"base", "protocol", "ops"},
    "cli": {"base", "protocol", "ops", "engine", "kafka", "core", "backend"},
}

# Where a foreign library's headers may be included: rooms, or files of them.
LIBRARIES = {
    "cjson": {"protocol", "backend", "cli"},
    "curl": {"engine", "cli/main.c"},
    "librdkafka": {"kafka", "core", "cli"},
    "microhttpd.h": {"ops/http_server.c", "ops/http_exchange.c", "ops/http_exchange.h"},
}

LONGEST_FILE_LINES = 450
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def room_of(path):
    relative = path.relative_to(ROOT)
    return relative.parts[0] if relative.parts[0] == "protocol" else relative.parts[1]


def sources():
    """Every C file of the rooms, with its room."""
    found = [*(ROOT / "protocol").rglob("*.[ch]"), *(ROOT / "worker").rglob("*.[ch]")]
    return [(path, room_of(path)) for path in sorted(found)]


def includes(path):
    """(line number, "<" or '"', what is included)."""
    text = path.read_text()
    return [(text.count("\n", 0, match.start(1)) + 1, *match.groups()) for match in INCLUDE.finditer(text)]


def every_room_is_in_the_plan():
    rooms = {path.name for path in (ROOT / "worker").iterdir() if path.is_dir()} | {"protocol"}
    for room in sorted(rooms ^ set(MAY_INCLUDE)):
        yield f"{room}/ is {'not in the plan' if room in rooms else 'in the plan, and no folder'}"


def includes_point_downward():
    for path, room in sources():
        for line, mark, name in includes(path):
            if mark != '"':
                continue
            other = name.split("/")[0]
            if "/" not in name:
                yield f'{path.relative_to(ROOT)}:{line}: "{name}" does not say its room'
            elif other != room and other not in MAY_INCLUDE.get(room, set()):
                yield f'{path.relative_to(ROOT)}:{line}: {room} may not include "{name}"'


def included_files_exist():
    for path, _ in sources():
        for line, mark, name in includes(path):
            base = ROOT if name.startswith("protocol/") else ROOT / "worker"
            if mark == '"' and not (base / name).is_file():
                yield f'{path.relative_to(ROOT)}:{line}: there is no "{name}"'


def foreign_libraries_stay_in_their_rooms():
    for path, room in sources():
        for line, mark, name in includes(path):
            allowed = LIBRARIES.get(name.split("/")[0])
            if mark == "<" and allowed is not None and room not in allowed and f"{room}/{path.name}" not in allowed:
                yield f"{path.relative_to(ROOT)}:{line}: <{name}> belongs to {', '.join(sorted(allowed))}"


def files_are_short():
    for path, _ in sources():
        lines = len(path.read_text().splitlines())
        if lines > LONGEST_FILE_LINES:
            yield f"{path.relative_to(ROOT)} has {lines} lines, over {LONGEST_FILE_LINES}: it wants to be two"


def main():
    checks = [every_room_is_in_the_plan, includes_point_downward, included_files_exist,
              foreign_libraries_stay_in_their_rooms, files_are_short]
    status = 0
    print(f"1..{len(checks)}")
    for number, check in enumerate(checks, 1):
        wrong = list(check())
        print(f"{'not ok' if wrong else 'ok'} {number} - {check.__name__}")
        for sentence in wrong:
            print(f"  {sentence}")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
