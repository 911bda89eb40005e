# Common to the scripts here and in Tests/nested: source it.
set -eEuo pipefail
# What fails without a word of its own gets one.
trap '[ $? = 2 ] || echo "${BASH_SOURCE[0]##*/}: line $LINENO: failed: $BASH_COMMAND" >&2' ERR

images=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$images/build
cache=${SWIFTVM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/swiftvm}

say() { echo "==> $*" >&2; }
fail() { echo "${0##*/}: $*" >&2; exit 2; }

# up_to_date FILE INPUT...: FILE exists and no INPUT is newer.
up_to_date() {
  local file=$1 input
  shift
  [ -e "$file" ] || return 1
  for input in "$@"; do [ ! "$input" -nt "$file" ] || return 1; done
}

# slice FILE OFFSET LENGTH: that many bytes of FILE on stdout.
slice() { dd if="$1" iflag=skip_bytes,count_bytes skip="$2" count="$3" bs=1M status=none; }

is_root() { [ "$(id -u)" = 0 ]; }

# apt's package lists: a fresh container has none.
refresh_package_lists() {
  is_root || fail "the package lists are missing or out of date; run: sudo apt-get update"
  say "updating the package lists"
  apt-get update -qq >&2
}

# require COMMAND PACKAGE...: installs the PACKAGEs whose COMMANDs are missing where we may, else says how.
require() {
  local missing=() install
  while [ $# != 0 ]; do
    command -v "$1" >/dev/null || missing+=("$2")
    shift 2
  done
  [ ${#missing[@]} != 0 ] || return 0
  install="apt-get install -y --no-install-recommends ${missing[*]}"
  is_root || fail "packages are missing; run: sudo $install"
  say "installing ${missing[*]}"
  DEBIAN_FRONTEND=noninteractive $install -qq >&2 || {
    refresh_package_lists
    DEBIAN_FRONTEND=noninteractive $install -qq >&2 || fail "could not install ${missing[*]}"
  }
}

# The toolchain's own clang, unless CC says otherwise: nothing else is sure to be there.
compiler() {
  local swift cc
  swift=$(readlink -f "$(command -v swift)" || true)
  for cc in "${CC:-}" "${swift%/*}/clang" clang gcc; do
    ! command -v "$cc" >/dev/null || { echo "$cc"; return; }
  done
  fail "no C compiler: no clang beside swift, in PATH, nor gcc; run: sudo apt-get install -y clang"
}
