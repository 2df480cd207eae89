# shellcheck shell=bash disable=SC2034
# Sourced by ./run and ./test: which Debian packages gild needs and why, and how a tree is configured and built.
#
# Talk goes to stderr, so that stdout stays what the command was asked for. Nothing outside the checkout is touched but
# Debian's packages: compiler cache, logs and tools live in build/.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export CCACHE_DIR="$root/build/ccache" CCACHE_MAXSIZE=2G
# What two trees compile alike (another Python's, say) is compiled once: paths count from the tree that is built.
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1
# As it wants for precompiled headers (its manual, "Precompiled headers").
export CCACHE_SLOPPINESS=pch_defines,time_macros

# One package a line, then the reason.
packages_for_the_build='
g++                     compiles gild
cmake                   describes the build
ninja-build             runs the build
ccache                  keeps compiled files in build/ccache
mold                    links in a fraction of the time
pkgconf                 finds libmicrohttpd
libgrpc++-dev           gRPC, the public API
libgrpc-dev             gRPC, its core
libprotobuf-dev         messages of the API and between processes
protobuf-compiler       turns proto files into C++
protobuf-compiler-grpc  turns proto services into C++
grpc-proto              the health service, as gRPC publishes it
libabsl-dev             status, mutex, strings
libc-ares-dev           wanted by the CMake package of gRPC
libre2-dev              wanted by the CMake package of gRPC
libssl-dev              names functions by their SHA-256; wanted by the CMake package of gRPC
zlib1g-dev              wanted by the CMake package of gRPC
libmicrohttpd-dev       serves /metrics, /healthz, /readyz
prometheus-cpp-dev      writes the metrics format
libcurl4-openssl-dev    wanted by the CMake package of prometheus-cpp
libcivetweb-dev         wanted by the CMake package of prometheus-cpp
libspdlog-dev           writes the server log
libfmt-dev              formats the server log
libcli11-dev            reads the command lines
libseccomp-dev          writes the filter of system calls
libcap-ng-dev           drops capabilities
libmimalloc-dev         gives the server its memory
python3-dev             the CPython that gild-interpreter embeds
python3-pil             resizes images in the demo
python3-numpy           computes off the lock in the demo
python3-cloudpickle     unpickles functions that clients send by value
'

packages_for_the_tests='
libgtest-dev            runs the tests
libgmock-dev            matchers of the tests
docker-compose          checks docker-compose.yml
python3-grpcio          what the Python client stands on
python3-pip             installs the Python client
python3-venv            into a virtual environment
python3-setuptools      packs the Python client
python3-wheel           into a wheel
libpython3.11-testsuite the tests of the standard library, which run as tasks
python3-pandas          is used in a task, as NumPy and Pillow are
'

packages_for_clang='
clang-14                checks the lock annotations (-Wthread-safety)
libclang-rt-14-dev      sanitizers of clang
'

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root: run this as root once, or install sudo"
  fi
}

# Runs a command with its output in build/packages.log, shown only when it fails.
quietly() {
  "$@" >>"$root/build/packages.log" 2>&1 || { tail -n 20 "$root/build/packages.log" >&2; return 1; }
}

# install_packages LIST...: apt is called only when something is missing.
install_packages() {
  local installed missing=() package why
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' | sed -n 's/ installed$//p')
  while read -r package why; do
    if [[ -n $package ]] && ! grep -qxF -- "$package" <<<"$installed"; then
      missing+=("$package")
      say "to install: $(printf '%-22s' "$package") $why"
    fi
  done <<<"$*"
  ((${#missing[@]})) || return 0

  mkdir -p "$root/build"
  say "installing ${#missing[@]} Debian packages and what they depend on (log: build/packages.log)"
  quietly as_root apt-get update || say "apt-get update failed; going on with the package lists at hand"
  quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
}

# promtool checks /metrics in the tests. It is taken out of its package, which is not installed: that would start a service.
unpack_promtool() {
  local tools="$root/build/tools"
  export PATH="$PATH:$tools/usr/bin"
  ! command -v promtool >/dev/null || return 0
  say "to unpack:  promtool, which checks /metrics, from Debian's package prometheus into build/tools (not installed: no service)"
  mkdir -p "$tools"
  (
    cd "$tools"
    quietly apt-get download prometheus || { quietly as_root apt-get update && quietly apt-get download prometheus; }
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
    rm prometheus_*.deb
  ) || die "could not unpack promtool from the package prometheus"
}

# build_tree NAME PRESET [OPTION...]: configures build/NAME when its options changed, then builds what is out of date:
# build_targets, or all.
build_targets=()
build_tree() {
  local tree="$root/build/$1"
  local configure=(cmake -S "$root" -B "$tree" --preset "$2" "${@:3}")
  local wanted
  wanted="${configure[*]} $(cksum <"$root/CMakePresets.json")"
  if [[ ! -f $tree/build.ninja || $(cat "$tree/configured" 2>/dev/null) != "$wanted" ]]; then
    say "configuring build/$1"
    rm -f "$tree/CMakeCache.txt" "$tree/configured"
    "${configure[@]}" >&2 || die "cmake could not configure build/$1"
    printf '%s\n' "$wanted" >"$tree/configured"
  fi
  say "building build/$1"
  ninja -C "$tree" "${build_targets[@]}" >&2 || die "build/$1 did not build"
}
