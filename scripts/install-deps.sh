#!/usr/bin/env bash
# Looks for the programs that the tests need and installs their Debian packages where that is possible.
set -euo pipefail

missing=()
need() { # program package
  command -v "$1" >/dev/null || missing+=("$2")
}
need gcc gcc
need g++ g++
need clang clang
need clang++ clang
need nm binutils
need valgrind valgrind
need nginx nginx
need openssl openssl
need squid squid
need tinyproxy tinyproxy
need microsocks microsocks
need ip iproute2
need iptables iptables
need strace strace
need prlimit util-linux
need doxygen doxygen
need mandoc mandoc
need make make
need pkg-config pkg-config
need cmake cmake
need dh debhelper
need lintian lintian
need abidiff abigail-tools
# What clang's -fsanitize=address links; gcc brings its own.
[[ -e $(clang -print-file-name=libclang_rt.asan-x86_64.a 2>/dev/null) ]] || missing+=(libclang-rt-dev)
# OpenSSL to be linked with: one program has it and our static library in it.
[[ -e /usr/include/openssl/ssl.h ]] || missing+=(libssl-dev)
# A locale in which a comma stands before the decimals.
[[ -e /usr/share/i18n/locales/de_DE ]] || missing+=(locales)
# The independent endpoint runs on Debian's own Python.
/usr/bin/python3 -c 'import websockets' 2>/dev/null || missing+=(python3-websockets)
# The Python binding is tested in a virtual environment of that Python, with these for pip, and no network.
for module in ensurepip:python3-venv setuptools:python3-setuptools wheel:python3-wheel pytest:python3-pytest mypy:mypy; do
  /usr/bin/python3 -c "import ${module%:*}" 2>/dev/null || missing+=("${module#*:}")
done

if ((${#missing[@]} == 0)); then
  exit 0
fi
sudo=
if ((EUID != 0)); then
  sudo=sudo
fi
if ! command -v apt-get >/dev/null || ! command -v ${sudo:-true} >/dev/null; then
  echo "The tests need these packages: ${missing[*]}" >&2
  exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
