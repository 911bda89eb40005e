#!/bin/bash
# unpack-programs.sh OUT PACKAGE=FILE...: makes the folder OUT with these programs (or other ELF files) of Debian
# packages at their places, and the shared libraries they need, the dynamic linker and libc among them: what a
# guest needs of them, or a host on which they are not to be installed. A library comes from one of the packages that
# apt says its user depends on. Nothing is done where OUT is up to date.
. "$(dirname "$0")/lib.sh"
out=$1
shift
part=$out.part unpacked=$out.packages
libraries=lib/x86_64-linux-gnu
linker=ld-linux-x86-64.so.2
# Of each package unpacked its folder, and of each library in those its path.
declare -A folder_of path_of
# Of each library still to come the package that needs it.
declare -A user_of

index_libraries() {
  local path
  # An absolute link would lead to the host's own file.
  while read -r path; do path_of[${path##*/}]=$path; done < <(find "$1" -name '*.so*' \( -type f -o -type l ! -lname '/*' \))
}

unpack() {
  local wanted=() package debs
  for package in "$@"; do [ -n "${folder_of[$package]:-}" ] || wanted+=("$package"); done
  [ ${#wanted[@]} != 0 ] || return 0
  mapfile -t debs < <("$images/fetch-deb.sh" "${wanted[@]}")
  [ ${#debs[@]} = ${#wanted[@]} ] || fail "could not fetch ${wanted[*]}"
  for package in "${wanted[@]}"; do
    folder_of[$package]=$unpacked/$package
    dpkg-deb --extract "${debs[0]}" "$unpacked/$package"
    index_libraries "$unpacked/$package"
    debs=("${debs[@]:1}")
  done
}

# A library's or its package's name, for comparison: libglib-2.0.so.0 and libglib2.0-0 are alike.
letters() {
  local name=${1%t64}
  name=${name/.so/}
  echo "${name//[-._]/}"
}

# The packages for libraries that the package's files need: those named like them; where there is none, all of which
# one may have it.
providers() {
  local package=$1 candidates candidate library
  mapfile -t candidates < <(apt-cache depends "$package" | sed -nE 's/^ [ |](Pre)?Depends: ((lib|zlib)[^ ]*)$/\2/p')
  declare -A named=()
  for candidate in "${candidates[@]}"; do named[$(letters "$candidate")]=$candidate; done
  for library in "${@:2}"; do
    library=${named[$(letters "$library")]:-}
    [ -n "$library" ] || { printf '%s\n' "${candidates[@]}"; return; }
    echo "$library"
  done
}

# copy PACKAGE FILE TARGET: takes a file into OUT, and makes known what it needs.
copy() {
  local package=$1 file=$2 target=$part/$3 library
  mkdir -p "${target%/*}"
  cp -L "$file" "$target"
  for library in $(objdump -p "$file" | sed -n 's/^ *NEEDED *//p'); do
    [ -e "$part/$libraries/$library" ] || user_of[$library]=$package
  done
}

# Unpacks what the packages of the libraries that are still to come may be.
find_libraries() {
  local library package
  declare -A missing=()
  for library in "${!user_of[@]}"; do
    [ -n "${path_of[$library]:-}" ] || missing[${user_of[$library]}]+=" $library"
  done
  # shellcheck disable=SC2046,SC2086 # the lists are words
  unpack $(for package in "${!missing[@]}"; do providers "$package" ${missing[$package]}; done | sort -u)
}

copy_libraries() {
  local library path package
  for library in "${!user_of[@]}"; do
    path=${path_of[$library]:-}
    [ -n "$path" ] || fail "no package has $library, which ${user_of[$library]} needs"
    unset "user_of[$library]"
    package=${path#"$unpacked"/}
    copy "${package%%/*}" "$path" "$libraries/$library"
  done
}

require objdump binutils
key=$*
if [ "$(cat "$out/.key" 2>/dev/null)" = "$key" ] && up_to_date "$out/.key" /var/lib/apt/lists "$0"; then exit; fi
say "unpacking ${out##*/}: $(printf '%s\n' "${@#*=}" | sed 's|.*/||' | tr '\n' ' ')"
rm -rf "$part" "$unpacked"
mkdir -p "$part" "$unpacked"
# shellcheck disable=SC2046 # the list is words
unpack $(printf '%s\n' "${@%%=*}" | sort -u)
for pair in "$@"; do copy "${pair%%=*}" "${folder_of[${pair%%=*}]}/${pair#*=}" "${pair#*=}"; done
while [ ${#user_of[@]} != 0 ]; do
  find_libraries
  copy_libraries
done
mkdir -p "$part/lib64"
mv "$part/$libraries/$linker" "$part/lib64/"
echo "$key" >"$part/.key"
rm -rf "$out" "$unpacked"
mv "$part" "$out"
