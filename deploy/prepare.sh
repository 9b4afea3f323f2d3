# shellcheck shell=bash
# prepare: what deploy/demo.sh and tests/run.sh share: which Debian packages the project needs, how missing ones come
# onto the machine, and how a preset is built. Sourced.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Needed to build and to run. HTTPS backends are verified against ca-certificates.
# shellcheck disable=SC2034  # both lists are read by the sourcing scripts
build_packages=(gcc libc6-dev cmake ninja-build pkg-config librdkafka-dev libcurl4-openssl-dev libcjson-dev
    libmicrohttpd-dev ca-certificates)
# Needed by the tests beside those. Maven fetches the Kafka broker, Java runs it; iproute2 lays out hostile networks; Chromium
# looks at the page; valgrind counts instructions.
# shellcheck disable=SC2034
test_packages=(check iproute2 python3 python3-confluent-kafka python3-jsonschema maven default-jre-headless
    prometheus chromium chromium-driver python3-selenium python3-yaml valgrind)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# The last lines of a log, indented, so that they read as a quotation.
quote_log() { tail -n "${2:-20}" "$1" | sed 's/^/    /' >&2; }

# Prints those of the named packages that are not installed. A java or mvn from elsewhere does as well.
missing_packages() {
    local package state
    for package in "$@"; do
        case $package in
            default-jre-headless) command -v java >/dev/null && continue ;;
            maven) command -v mvn >/dev/null && continue ;;
        esac
        state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=absent
        [[ $state == installed ]] || printf '%s\n' "$package"
    done
}

# Where there is no dpkg: names what the build lacks. What the tests lack they say themselves.
check_foreign_system() {
    local lacking=() tool library
    for tool in gcc cmake ninja pkg-config; do
        command -v "$tool" >/dev/null || lacking+=("$tool")
    done
    for library in rdkafka libcurl libcjson libmicrohttpd; do
        pkg-config --exists "$library" 2>/dev/null || lacking+=("$library (with headers)")
    done
    ((${#lacking[@]} == 0)) && return 0
    say "this is not Debian, so nothing is installed here, and these are missing:"
    printf '    %s\n' "${lacking[@]}" >&2
    say "please install them (librdkafka >= 2.0.2, libcurl >= 7.88) and run this again"
    return 1
}

run_as_root() {
    if ((EUID == 0)); then
        "$@"
    else
        sudo "$@"
    fi
}

can_be_root() {
    ((EUID == 0)) && return 0
    command -v sudo >/dev/null || return 1
    # With a terminal sudo may ask for the password; without one it must not need to.
    sudo -n true 2>/dev/null || [[ -t 0 ]]
}

# Debian starts the service of a package that it installs: Prometheus would listen on 0.0.0.0:9090 from then on, and after each
# start of the machine. The tests want its program alone, so what was not there before does not stay up. In containers there is
# no systemd, and nothing starts. The other packages have no services.
quiet_services() {
    local log=$1 package
    shift
    [[ -d /run/systemd/system ]] || return 0
    for package in "$@"; do
        case $package in
            prometheus) run_as_root systemctl disable --now --quiet prometheus.service >>"$log" 2>&1 ||
                say "prometheus.service could not be stopped; please run: systemctl disable --now prometheus.service" ;;
        esac
    done
}

# install_packages LOG PACKAGE…: makes sure that they are there; touches neither apt nor the network when they are.
install_packages() {
    local log=$1 missing=() attempt
    shift
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        check_foreign_system
        return
    fi
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]} == 0)) && return 0
    if ! can_be_root; then
        say "these packages are missing, and installing them needs root or sudo. Please run:"
        printf '    apt-get update && apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
        return 1
    fi
    say "installing ${missing[*]}"
    for attempt in 1 2 3; do
        if run_as_root apt-get -q update >"$log" 2>&1 &&
            run_as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
                install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
            quiet_services "$log" "${missing[@]}"
            return 0
        fi
        ((attempt < 3)) && say "apt-get failed, trying again in 5 s" && sleep 5
    done
    say "apt-get could not install them; its last words (all of them: $log):"
    quote_log "$log"
    return 1
}

# build_preset PRESET LOG [TARGET…]: configures where that is due, and builds; quiet unless it fails.
build_preset() {
    local preset=$1 log=$2 folder=$root/build/$1 home=
    shift 2
    : >"$log"
    if [[ -f $folder/CMakeCache.txt ]]; then
        home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt")
        # CMake refuses the build folder of a tree that was moved or copied.
        [[ $home == "$root" ]] || rm -rf "$folder"
    fi
    if [[ ! -f $folder/build.ninja ]] && ! (cd "$root" && cmake --preset "$preset") >>"$log" 2>&1; then
        say "the preset $preset could not be configured (all of it: $log):"
        sed -n '/CMake Error/,$p' "$log" | head -n 40 | sed 's/^/    /' >&2
        return 1
    fi
    # With no target named: all. Ninja configures again by itself when a CMakeLists.txt has changed.
    if ! cmake --build "$folder" ${1:+--target "$@"} >>"$log" 2>&1; then
        say "the preset $preset does not build (all of it: $log):"
        grep -E -m 20 'error:|FAILED:|undefined reference|No such file' "$log" | sed 's/^/    /' >&2 || true
        quote_log "$log"
        return 1
    fi
}
