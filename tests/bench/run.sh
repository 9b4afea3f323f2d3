#!/bin/bash
# tests/bench/run.sh: builds what is measured, optimised and hardened, and runs the benchmarks, each of which prints its tables.
# All figures, with the machine and the versions that they were measured on, are in build/bench/NAME.json, those of quick in
# NAME.quick.json.
#
#     tests/bench/run.sh                  all of them, for hours
#     tests/bench/run.sh NAME…            these
#     tests/bench/run.sh quick [NAME…]    short turns, to see that they work: under three minutes for all; the figures say little
#
#     floor         CPU of an invocation, against libcurl alone, against the least that HTTP takes, and in requests of wrk
#     sleepers      runs that wait: memory, CPU of a poll, lateness, and what they cost those beside them
#     latency       from a message to its kickoff, from the last answer to the result
#     start         from a worker's start to its kickoffs
#     peers         the same work by what else there is
#     growth        CPU of an invocation, as partitions, threads, origins, message sizes and guarantees grow
#     instructions  instructions of the hot paths, by callgrind
#     guarantees    what at-most-once kickoffs, checkpoints and exactly-once results cost
#     watching      what it costs to be watched
#
# What this machine has not (wrk, a peer's libraries, a broker) is told in a line, and the rest goes on. Each script says more:
# tests/bench/NAME.py --help. With RXP_BENCH_BUILD=FOLDER what stands there is measured, and nothing is built.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=../../deploy/prepare.sh
source "$(dirname "${BASH_SOURCE[0]}")/../../deploy/prepare.sh"

here=$root/tests/bench
python=/usr/bin/python3 # Debian's, since that one has Debian's modules, whatever comes first in PATH
benches=(floor sleepers latency start peers growth instructions guarantees watching)
bench_packages=(python3 python3-confluent-kafka maven default-jre-headless)
optional_packages=(wrk valgrind python3-venv)
quick=()
status=0

usage() { sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }

words=("$@")
if [[ ${1:-} == quick ]]; then quick=(--quick) && shift; fi
for name in "$@"; do
    case $name in
        -h | --help) usage && exit 0 ;;
    esac
    [[ " ${benches[*]} " == *" $name "* ]] || { say "there is no benchmark '$name'; they are: ${benches[*]}" && exit 2; }
done
(($# == 0)) || benches=("$@")

# What the caller's shell has set for a real worker is no business of the benchmarks.
for variable in "${!RXP_@}"; do
    [[ $variable == RXP_TEST_* || $variable == RXP_BENCH_* ]] || unset "$variable"
done
export LC_ALL=C.UTF-8

built=${RXP_BENCH_BUILD:+$(realpath -m "$RXP_BENCH_BUILD")}
[[ -z $built || -x $built/rxp-worker ]] || { say "there is no rxp-worker in $built" && exit 1; }
export RXP_BENCH_BUILD=${built:-$root/build/bench}
mkdir -p "$RXP_BENCH_BUILD"
if [[ -z ${RXP_BENCH_LOCKED:-} ]]; then
    exec {lock}>"$RXP_BENCH_BUILD/run.lock"
    flock -n "$lock" || { say "it runs already, and two at a time would measure each other" && exit 1; }
    export RXP_BENCH_LOCKED=1
fi
if [[ -z $built ]]; then
    install_packages "$RXP_BENCH_BUILD/packages.log" "${build_packages[@]}" "${bench_packages[@]}" || exit 1
    install_packages "$RXP_BENCH_BUILD/packages.log" "${optional_packages[@]}" || say "going on without"
    say "building build/bench"
    build_preset bench "$RXP_BENCH_BUILD/build.log" || exit 1
fi
export RXP_TEST_LOGS=${RXP_TEST_LOGS:-$RXP_BENCH_BUILD/logs}

# A quick run has one broker for all, which takes some seconds to start; else each has its own, with nothing left in it by others.
if [[ ${quick[*]} && -z ${RXP_TEST_BROKER:-}${RXP_TEST_BROKER_MISSING:-} ]]; then
    exec "$python" "$root/tests/whole/with_broker.py" "${BASH_SOURCE[0]}" "${words[@]}"
fi
for name in "${benches[@]}"; do
    echo
    echo "$name"
    if [[ ! -f $here/$name.py ]]; then
        echo "  $name: not here: there is no tests/bench/$name.py"
        continue
    fi
    # Dies with this script, however that ends.
    setpriv --pdeathsig TERM -- "$python" "$here/$name.py" "${quick[@]}" || { say "$name failed" && status=1; }
done
exit $status
