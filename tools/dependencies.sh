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
header() { printf '#include <stdio.h>\n#include <%s>\n' "$1" | gcc -E -x c - ; }

command -v swift >/dev/null 2>&1 || {
  echo "dependencies: the Swift toolchain (6.2 or newer) is missing; see https://swift.org/install" >&2
  exit 1
}
need gcc command -v gcc
need g++ command -v g++
need binutils command -v objdump
need make command -v make
need python3-venv python3 -c 'import ensurepip, venv'
need libopenblas-dev header cblas.h
need libpng-dev header png.h
need libjpeg-dev header jpeglib.h
need zlib1g-dev header zlib.h

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
