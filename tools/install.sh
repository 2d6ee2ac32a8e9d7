#!/bin/sh
# Installs header, library, pkg-config and CMake files and the CLI:
#   install.sh DESTDIR PREFIX [LIBRARY] [CLI]
set -eu
destdir=$1
prefix=$2
library=${3:-build/lib/libapus.so}
cli=${4:-build/bin/static/model-convert}
root=$destdir$prefix
version=$(sed -n 's/^#define APUS_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/apus.h | paste -sd.)

case $prefix in
  /*) ;;
  *)
    echo "install: PREFIX is '$prefix'; an absolute path is wanted, for apus.pc will hold it" >&2
    exit 1
    ;;
esac
install -d "$root/include" "$root/lib/pkgconfig" "$root/lib/cmake/apus" "$root/bin"
install -m 644 include/apus.h bindings/cpp/apus.hpp "$root/include/"
install -m 755 "$library" "$root/lib/libapus.so.$version"
ln -sf "libapus.so.$version" "$root/lib/libapus.so.1"
ln -sf libapus.so.1 "$root/lib/libapus.so"
install -m 755 "$cli" "$root/bin/model-convert"
for file in apus.pc apus-config.cmake apus-config-version.cmake; do
  case $file in
    *.pc) target=$root/lib/pkgconfig/$file ;;
    *) target=$root/lib/cmake/apus/$file ;;
  esac
  sed -e "s|@PREFIX@|$prefix|g" -e "s|@VERSION@|$version|g" "tools/packaging/$file.in" >"$target"
  chmod 644 "$target"
done
echo "installed apus $version to $root"
