#!/bin/sh
# Makes sure that what the build needs is there: installs it through apt where that is possible
# (as root), otherwise names what is missing and stops.
set -eu

missing=""
need() { # need PACKAGE COMMAND...: the package is missing where the command fails
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
# The toolchain's programs start: swift.org's archive brings none of the libraries they are linked to.
toolchain_starts() {
  swift build --version && swiftc --version && clang=$(dirname "$(command -v swiftc)")/clang &&
    { [ ! -x "$clang" ] || "$clang" --version; } && { ! command -v ld.lld || ld.lld --version; }
}
header() { printf '#include <stdio.h>\n#include <%s>\n' "$1" | gcc -E -x c - ; }

command -v swift >/dev/null 2>&1 || {
  echo "dependencies: the Swift toolchain (6.2 or newer) is missing; see https://swift.org/install" >&2
  exit 1
}
# What swift.org names for Debian and Ubuntu, as far as this build touches it.
need "libc6-dev libcurl4-openssl-dev libedit-dev libncurses-dev libsqlite3-dev libxml2-dev tzdata" \
  toolchain_starts
need gcc command -v gcc
need g++ command -v g++
need binutils command -v objdump
need make command -v make
need python3-venv python3 -c 'import ensurepip, venv'
need libopenblas-dev header cblas.h
need libpng-dev header png.h
need libjpeg-dev header jpeglib.h
need zlib1g-dev header zlib.h
need libprotobuf-c-dev header protobuf-c/protobuf-c.h

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "dependencies: installing$missing" >&2
  apt-get update -qq
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null
else
  echo "dependencies: these packages are missing:$missing" >&2
  echo "dependencies: on Debian or Ubuntu: sudo apt-get install$missing" >&2
  exit 1
fi
