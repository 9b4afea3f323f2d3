#!/usr/bin/env bash
# From a fresh Debian 12 or 13 to a running demo: installs what is missing, builds a release into build/release and runs
# `rxp-worker demo`; what is given on the command line goes to it (--help shows what it knows). Run again, it only runs.
set -euo pipefail

# shellcheck source-path=SCRIPTDIR source=prepare.sh
source "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

logs=$root/build/logs
mkdir -p "$logs"
install_packages "$logs/packages.log" "${build_packages[@]}" || exit 1
[[ -x $root/build/release/rxp-worker ]] || say "building rxp-worker in build/release (about a minute)"
build_preset release "$logs/release.log" rxp-worker || exit 1
# As whoever ran this may call it: its last words tell how to go on.
program=$root/build/release/rxp-worker
if [[ $PWD == "$root" ]]; then program=build/release/rxp-worker; fi
say "running: $program demo $*"
exec "$program" demo "$@"
