# shellcheck shell=bash disable=SC2034 # the variables are for the two scripts
# What `run` and `deep` share: where things are, how a missing tool is got. Sourced, from bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit

# Wire corpus and embedded toolchain are not part of this repository: they lie beside it.
shared=${SORTIE_SHARED:-$(dirname "$root")/shared}
corpus=$shared/corpus

# Packages outside of the workspace, each with its own lock file.
excluded=(
    fuzz examples/boards/esp32-c6 examples/boards/nucleo-f429zi examples/boards/w5500-evb-pico
    examples/firmware examples/mbedtls tests/bench tests/bench/size tests/hyper-origin
    tests/link-probe tests/soak
)
# Seconds of fuzzing put their finds here, so that a run leaves the tree as it was.
finds=$root/target/fuzz-corpus

# What cargo installs is found, whichever CARGO_HOME it went to.
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

is_there() { case $1 in /*) [ -e "$1" ] ;; *) command -v "$1" >/dev/null ;; esac; }

updated=
# need COMMAND PACKAGE - installs Debian's PACKAGE where COMMAND, or a file of this path, is missing.
need() {
    if is_there "$1"; then return; fi
    say "installing $2, for $1"
    command -v apt-get >/dev/null || die "$1 is missing: install it"
    if [ -z "$updated" ]; then
        apt-get -q update >/dev/null
        updated=1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$2" >/dev/null
    is_there "$1" || die "$2 brought no $1"
}

# What tests/tls-job.py starts. Of Apache only the program is wanted, without a service.
need_tls_servers() {
    need nginx nginx-light
    need apache2 apache2-bin
    need haproxy haproxy
    need openssl openssl
}

# What tests/matrix-job.py starts.
need_matrix_servers() {
    need nginx nginx-light
    need apache2 apache2-bin
    need haproxy haproxy
    need node nodejs
    local module
    for module in deflate webdav; do
        need "/usr/lib/lighttpd/mod_$module.so" "lighttpd-mod-$module"
    done
}

# need_cargo SUBCOMMAND VERSION - compiles cargo-SUBCOMMAND where it is missing.
need_cargo() {
    if cargo "$1" --version >/dev/null 2>&1; then return; fi
    say "compiling cargo-$1 $2"
    cargo install "cargo-$1" --version "=$2" --locked --quiet
}

need_fuzz() {
    need c++ g++
    rustc +nightly --version >/dev/null 2>&1 ||
        die "fuzzing needs a nightly compiler: rustup toolchain install nightly --profile minimal"
    need_cargo fuzz 0.13.2
}

# `none` for throughput, `address` to find what the standard library and peers would do wrong.
sanitizer=none

# fuzz SUBCOMMAND [ARGUMENT...] - of cargo-fuzz, with the sanitizer that is chosen.
fuzz() {
    local command=$1
    shift
    (cd "$root/fuzz" && cargo +nightly fuzz "$command" --fuzz-dir . -s "$sanitizer" "$@")
}

# fuzz_targets - their names, one a line.
fuzz_targets() { (cd "$root/fuzz" && cargo +nightly fuzz list --fuzz-dir .); }

# fuzz_for SECONDS TARGET [ARGUMENT...] - ARGUMENTs go to libFuzzer.
fuzz_for() {
    local seconds=$1 target=$2
    shift 2
    mkdir -p "$finds/$target"
    fuzz run "$target" "$finds/$target" "$root/fuzz/seeds/$target" -- \
        -dict="$root/fuzz/dictionaries/$target.dict" -max_total_time="$seconds" "$@"
}

# has_boards - whether `rustc` can compile for every one of `boards`, which the script names.
has_boards() {
    local target
    for target in "${boards[@]}"; do
        compgen -G "$(rustc --print target-libdir --target "$target")/libcore-*.rlib" >/dev/null ||
            return 1
    done
}

# Finds a compiler for the boards and QEMU: what is installed, else what the toolchain beside the
# checkout brings. Where that is another compiler than `rustc`, EMBEDDED_RUSTC names it.
embedded() {
    local tools=$shared/tools/embedded-toolchain.sh environment
    unset EMBEDDED_RUSTC
    if ! has_boards 2>/dev/null; then
        [ -x "$tools" ] || die "no compiler for ${boards[*]}: rustup target add ${boards[*]}"
        environment=$("$tools" --rust "${boards[@]}")
        eval "$environment"
        [ -n "${EMBEDDED_RUSTC:-}" ] || die "$tools brought no compiler"
    fi
    need_emulator qemu-system-arm qemu-system-arm
    if [[ ${boards[*]} = *riscv32* ]]; then need_emulator qemu-system-riscv32 qemu-system-misc; fi
}

# need_emulator COMMAND PACKAGE - the toolchain beside the checkout brings all of QEMU.
need_emulator() {
    local tools=$shared/tools/embedded-toolchain.sh environment
    if command -v "$1" >/dev/null; then return; fi
    if [ -x "$tools" ]; then
        environment=$("$tools" --qemu)
        eval "$environment"
        command -v "$1" >/dev/null || die "$tools brought no $1"
    else
        need "$1" "$2"
    fi
}
