#!/usr/bin/env bash
# The one test command: installs what is missing, builds, runs everything. Its last line is `N passed, N failed, N skipped`,
# its exit status 0 if and only if nothing failed. Whole logs are kept in build/test-logs.
#
#     tests/run.sh                       everything
#     tests/run.sh SUITE [NAME…]         one suite, or its programs whose names contain a NAME
#
#     unit    pure rooms, the simulation (tests/sim: 10,000 seeds), the fuzz targets' seeds, the Python checks of the sources
#             and schemas, and the instructions that hot paths take (tests/bench/instructions)
#     parts   rooms with sockets, threads and librdkafka's mock cluster
#     asan    unit and parts under AddressSanitizer and UndefinedBehaviorSanitizer
#     tsan    parts, and those of unit that have threads, under ThreadSanitizer
#     whole   real worker processes against a real Kafka broker, which is fetched, started and stopped
#     faults  the full form of the fault tests, hours of them; only where it is asked for: their short form is part of whole
#     fuzz    libFuzzer searches each target of tests/fuzz for SECONDS (300), where clang is there; only where it is asked for:
#             tests/run.sh fuzz [SECONDS] [NAME…]
#
# CI=true: a whole test that is skipped, for want of a broker or anything else, has failed, and so has a hot path that takes more
# instructions than are recorded. RXP_TEST_JOBS: programs at a time (as many as CPUs; part tests, which wait for most of their time,
# twelve times as many).
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../deploy/prepare.sh
source "$(dirname "${BASH_SOURCE[0]}")/../deploy/prepare.sh"

logs=$root/build/test-logs
totals=$logs/totals
python=/usr/bin/python3 # Debian's, since that one has Debian's modules, whatever comes first in PATH
jobs=${RXP_TEST_JOBS:-$(nproc)}
suites=(unit parts asan tsan whole) # faults and fuzz only by name
names=()
fuzz_seconds=300
fetcher=
no_broker= # why there is none
ahead=
closed=no

usage() { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

case ${1:-} in
    "") ;;
    unit | parts | asan | tsan | whole | faults) suites=("$1") && shift && names=("$@") ;;
    fuzz)
        suites=(fuzz) && shift
        if [[ ${1:-} =~ ^[0-9]+$ ]]; then fuzz_seconds=$1 && shift; fi
        names=("$@")
        ;;
    -h | --help) usage && exit 0 ;;
    *) say "there is no suite '$1'; the suites are: ${suites[*]} faults fuzz" && exit 2 ;;
esac

# A step that is no test, such as the build, failed.
count_failure() { printf 'total\t0\t1\t0\nfailed\t%s\n' "$1" >>"$totals"; }

# Whatever ends this script, its last line is the count.
close() {
    local status=$? passed failed skipped
    [[ $closed == no ]] || exit "$status"
    closed=yes
    trap - EXIT
    if [[ -n $fetcher ]]; then kill "$fetcher" 2>/dev/null || true; fi
    if [[ -n $ahead ]]; then kill "$ahead" 2>/dev/null || true; fi
    read -r passed failed skipped < <(awk -F'\t' '$1 == "total" { p += $2; f += $3; s += $4 }
        END { print p + 0, f + 0, s + 0 }' "$totals")
    if ((status != 0 && failed == 0)); then
        failed=1
        printf 'failed\ttests/run.sh ended early with status %s\n' "$status" >>"$totals"
    fi
    echo
    sed -n -e 's/^failed\t/failed: /p' "$totals"
    sed -n -e 's/^skipped\t/skipped: /p' "$totals"
    printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    exit $((failed > 0 ? 1 : 0))
}

# Prints those of the given files that exist and whose name contains one of `names`, if any were given.
chosen() {
    local file name
    for file in "$@"; do
        [[ -f $file ]] || continue
        ((${#names[@]} > 0)) || printf '%s\n' "$file"
        for name in "${names[@]}"; do
            if [[ ${file##*/} == *"$name"* ]]; then
                printf '%s\n' "$file"
                break
            fi
        done
    done
}

# Prints the libcheck binaries of a preset that belong to tests/unit, tests/parts or tests/fuzz. Not what lies in the build folder:
# a test whose source is gone may still lie there.
binaries() {
    local preset=$1 folder source
    shift
    for folder in "$@"; do
        for source in "$root/tests/$folder"/test_*.c; do
            [[ -f $source ]] || continue
            source=${source##*/test_}
            chosen "$root/build/$preset/tests/${folder}_${source%.c}"
        done
    done
}

# Of the binaries on stdin, all part tests, and unit tests whose source names threads: in the others there is nothing to see
# for ThreadSanitizer, and they take long under it.
have_threads() {
    local binary name
    while read -r binary; do
        name=${binary##*/}
        if [[ $name == parts_* ]] || grep -q pthread "$root/tests/unit/test_${name#unit_}.c"; then
            printf '%s\n' "$binary"
        fi
    done
}

# Of the binaries on stdin, those whose tests wait for most of their time, since they speak with Kafka, with --apart before
# them: each of their tests is run by itself.
waiting_apart() {
    local binary name
    while read -r binary; do
        name=${binary##*/}
        if [[ $name == parts_* ]] && grep -q kafka "$root/tests/parts/test_${name#parts_}.c"; then
            printf -- '--apart\n'
        fi
        printf '%s\n' "$binary"
    done
}

# run_suite SUITE TIMEOUT JOBS [ENVIRONMENT=…|COMMAND…] -- PROGRAM…: failures are in the totals, so its status says nothing.
run_suite() {
    local suite=$1 timeout=$2 at_once=$3 before=()
    shift 3
    while [[ $1 != -- ]]; do before+=("$1") && shift; done
    shift
    (($# > 0)) || return 0
    # The runner ends what it runs when it gets SIGTERM, as it does when this script is killed outright.
    env "${before[@]}" setpriv --pdeathsig TERM -- "$python" "$root/tests/support/run_tap.py" --suite "$suite" \
        --logs "$logs" --totals "$totals" --jobs "$at_once" --timeout "$timeout" "${prefix[@]}" "$@" || true
}

build() {
    say "building build/$1"
    build_preset "$@" && return 0
    count_failure "the preset $1 does not build"
    return 1
}

# While tests of another build wait, which most do for most of their time, the compiler may as well run.
build_ahead() {
    # shellcheck disable=SC2016 # its own arguments
    nice -n 10 setpriv --pdeathsig TERM -- "$BASH" -c 'source "$1" && build_preset "$2" "$3"' \
        ahead "$root/deploy/prepare.sh" "$1" "$logs/build-$1.log" >/dev/null 2>&1 &
    ahead=$!
}

# Its own build, which mends what an earlier one left, tells of a failure.
await_ahead() {
    if [[ -n $ahead ]]; then wait "$ahead" || true; fi
    ahead=
}

run_unit() {
    local programs
    mapfile -t programs < <(chosen "$root/build/dev/tests/sim"; binaries dev fuzz unit; chosen "$root"/tests/unit/*.py)
    echo "unit tests, the simulation and the fuzz targets' seeds"
    run_suite unit 240 "$jobs" CK_DEFAULT_TIMEOUT=20 -- "${programs[@]}"
}

run_parts() {
    local programs
    mapfile -t programs < <(binaries dev parts | waiting_apart)
    echo "part tests"
    run_suite parts 300 $((12 * jobs)) CK_DEFAULT_TIMEOUT=30 -- "${programs[@]}"
}

run_asan() {
    local programs settings=(CK_DEFAULT_TIMEOUT=30 CK_TIMEOUT_MULTIPLIER=3 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
        ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1)
    echo "unit and part tests under AddressSanitizer and UndefinedBehaviorSanitizer"
    mapfile -t programs < <(chosen "$root/build/asan/tests/sim"; binaries asan fuzz unit)
    run_suite asan 600 "$jobs" RXP_TEST_SEEDS=2000 "${settings[@]}" -- "${programs[@]}"
    mapfile -t programs < <(binaries asan parts | waiting_apart)
    run_suite asan 600 $((12 * jobs)) "${settings[@]}" -- "${programs[@]}"
}

run_tsan() {
    local programs prefix=() machine
    mapfile -t programs < <(binaries tsan unit parts | have_threads | waiting_apart)
    machine=$(uname -m)
    # Newer kernels randomize addresses more widely than the ThreadSanitizer of gcc 12 can bear.
    if setarch "$machine" -R true 2>/dev/null; then
        prefix=(--prefix=setarch "--prefix=$machine" --prefix=-R)
    fi
    echo "tests with threads under ThreadSanitizer"
    run_suite tsan 600 $((12 * jobs)) CK_DEFAULT_TIMEOUT=30 CK_TIMEOUT_MULTIPLIER=5 \
        TSAN_OPTIONS=second_deadlock_stack=1:history_size=7 -- "${programs[@]}"
}

# run_with_broker SUITE TIMEOUT JOBS PROGRAM…
run_with_broker() {
    local suite=$1 timeout=$2 at_once=$3
    shift 3
    (($# > 0)) || return 0
    if [[ -n $fetcher ]] && ! wait "$fetcher"; then
        # Its last line says why; to try once more would only take longer.
        no_broker=$(tail -n 1 "$logs/fetch.log")
        no_broker=${no_broker#no Kafka broker: }
    fi
    fetcher=
    run_suite "$suite" "$timeout" "$at_once" "RXP_WORKER=$root/build/dev/rxp-worker" "RXP_TEST_BROKER_MISSING=$no_broker" \
        "$python" "$root/tests/whole/with_broker.py" -- "$@"
}

run_whole() {
    local programs name script first=()
    # The longest first, so that none ends alone. The faults, which are several at a time anyhow, apart from the others.
    for name in transaction resume worker group exactly_once; do
        first+=("$root/tests/whole/test_$name.py")
    done
    mapfile -t programs < <(chosen "${first[@]}"; for script in "$root"/tests/whole/test_*.py; do
        [[ " ${first[*]} $root/tests/whole/test_faults.py " == *" $script "* ]] || chosen "$script"
    done)
    echo "whole tests"
    run_with_broker whole 900 "$jobs" "${programs[@]}"
    mapfile -t programs < <(chosen "$root/tests/whole/test_faults.py")
    run_with_broker whole 900 1 "${programs[@]}"
}

run_faults() {
    local programs
    mapfile -t programs < <(chosen "$root"/tests/whole/fault_*.py)
    echo "fault tests in full: their figures and seeds are in ${logs#"$root"/}/faults-*.log"
    # One at a time: they measure memory and deadlines.
    run_with_broker faults 14400 1 "${programs[@]}"
    mapfile -t programs < <(binaries dev parts | { grep '_errors$' || true; } | waiting_apart)
    run_suite faults 300 $((12 * jobs)) RXP_TEST_FULL=yes -- "${programs[@]}"
}

run_fuzz() {
    echo "libFuzzer, $fuzz_seconds s a target: its findings and figures are in ${logs#"$root"/}/fuzz-*"
    run_suite fuzz $((fuzz_seconds * 16 + 600)) 1 "RXP_TEST_FUZZ_SECONDS=$fuzz_seconds" "RXP_TEST_FUZZ_NAMES=${names[*]}" -- \
        "$root/tests/fuzz/search.py"
}

prefix=()
mkdir -p "$logs"
: >"$totals"
trap close EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# What the caller's shell has set for a real worker is no business of the tests.
for variable in "${!RXP_@}"; do
    [[ $variable == RXP_TEST_* ]] || unset "$variable"
done
export LC_ALL=C.UTF-8

if ! install_packages "$logs/packages.log" "${build_packages[@]}" "${test_packages[@]}"; then
    count_failure "packages are missing"
    exit 1
fi
if [[ ${suites[*]} =~ whole|faults ]]; then
    # While the compiler runs, a first run fetches the broker and Spring.
    "$python" "$root/tests/whole/with_broker.py" --fetch-only >"$logs/fetch.log" 2>&1 &
    fetcher=$!
fi
if [[ ${suites[*]} =~ unit|parts|whole|faults ]]; then
    build dev "$logs/build-dev.log" || exit 1
fi
for suite in "${suites[@]}"; do
    case $suite in
        asan | tsan) await_ahead && { build "$suite" "$logs/build-$suite.log" || continue; } ;;
        fuzz) if command -v clang >/dev/null; then build fuzz "$logs/build-fuzz.log" fuzzers || continue; fi ;;
    esac
    if ((${#suites[@]} > 1)); then
        case $suite in
            parts) build_ahead asan ;;
            asan) build_ahead tsan ;;
        esac
    fi
    lines=$(wc -l <"$totals")
    "run_$suite"
    if (($(wc -l <"$totals") == lines)); then
        count_failure "$suite: there is no program${names[0]:+ whose name contains: ${names[*]}}"
    fi
done
