#!/bin/bash
# module-order.sh MODULES NAME...: prints the files of the named kernel modules and of all they depend on, each after
# what it needs. The order comes from the modules themselves, since it differs between kernel releases (virtio
# and virtio_ring have swapped places). A name ending in ? may be missing; one built into the kernel is passed over.
. "$(dirname "$0")/lib.sh"
tree=$1
shift
[ -d "$tree" ] || fail "no modules in $tree"
declare -A file_of visited

# Module names: - and _ are the same letter.
normal() { local name=${1##*/}; name=${name%%.ko*}; echo "${name//-/_}"; }

while read -r path; do file_of[$(normal "$path")]=$path; done < <(find "$tree/" -name '*.ko*')

is_built_in() {
  [ -f "$tree/modules.builtin" ] && grep -q "/${1//_/[-_]}\.ko" "$tree/modules.builtin"
}

dependencies() {
  "$images/decompress.sh" "$1" | tr '\0' '\n' | sed -n 's/^depends=//p' | tr ',' ' '
}

visit() {
  local name dependency
  name=$(normal "${1%\?}")
  [ -z "${visited[$name]:-}" ] || return 0
  visited[$name]=1
  if [ -z "${file_of[$name]:-}" ]; then
    is_built_in "$name" || [[ $1 == *\? ]] || fail "module $name is neither in $tree nor built in"
    return 0
  fi
  for dependency in $(dependencies "${file_of[$name]}"); do visit "$dependency"; done
  echo "${file_of[$name]}"
}

for wanted in "$@"; do visit "$wanted"; done
