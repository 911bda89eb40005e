#!/bin/bash
# fetch-deb.sh PACKAGE...: downloads each PACKAGE's current .deb without installing it and prints its path, in order.
# A metapackage (linux-image-cloud-amd64) stands for the kernel package it depends on. What is in the cache and
# still current is not downloaded again; an interrupted download goes on where it was, if the mirror lets it.
. "$(dirname "$0")/lib.sh"
debs=$cache/debs
lists=/var/lib/apt/lists

# The name that a package has in the archive.
real_name() {
  local kernel=
  [[ $1 != linux-image-* ]] ||
    kernel=$({ apt-cache depends "$1" 2>/dev/null || true; } | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | sort -V | tail -1)
  echo "${kernel:-$1}"
}

# Keeps apt's "'URI' FILE SIZE SHA256:HASH" for the packages it knows, by their real names. If it does not know one,
# it may say nothing of all.
ask_apt() {
  local uri file size hash
  while read -r uri file size hash; do
    echo "$uri $file $size $hash" >"$debs/${names[${file%%_*}]}.uri"
    # From a folder without .deb files: for one that is already there apt-get prints nothing.
  done < <(cd "$debs/part" && apt-get download -qq --print-uris "$@" 2>/dev/null || true)
}

# Prints the packages that apt has to be asked for: those whose record is older than its lists.
outdated() {
  local package
  for package in "$@"; do up_to_date "$debs/$package.uri" "$lists" || echo "$package"; done
}

# Asks for all at once, since apt takes a second to answer.
refresh_records() {
  local wanted package real
  mapfile -t wanted < <(outdated "$@")
  [ ${#wanted[@]} != 0 ] || return 0
  declare -A names=()
  for package in "${wanted[@]}"; do
    real=$(real_name "$package")
    names[$real]=$package
  done
  ask_apt "${!names[@]}"
  mapfile -t wanted < <(outdated "$@")
  [ ${#wanted[@]} != 0 ] || return 0
  for real in "${!names[@]}"; do
    [ -z "$(outdated "${names[$real]}")" ] || ask_apt "$real"
  done
}

require_records() {
  local package
  refresh_records "$@"
  for package in "$@"; do
    [ -s "$debs/$package.uri" ] || { refresh_package_lists; refresh_records "$@"; break; }
  done
  for package in $(outdated "$@"); do
    [ -s "$debs/$package.uri" ] || fail "apt knows no package $package; see /etc/apt/sources.list"
    say "apt does not know $package now: using the one in the cache"
  done
}

read_record() {
  read -r uri file size hash <"$debs/$1.uri"
  uri=${uri#\'} uri=${uri%\'}
}

intact() { echo "${hash#SHA256:}  $debs/$file" | sha256sum --check --status 2>/dev/null; }

# Downloads what of the packages is not in the cache.
download() {
  local package transfers=() files=() total=0
  for package in "$@"; do
    read_record "$package"
    if intact; then continue; fi
    transfers+=("$uri" "$debs/part/$file.part" "$hash")
    files+=("$file")
    total=$((total + size))
  done
  [ ${#files[@]} != 0 ] || return 0
  say "downloading ${files[0]}$([ ${#files[@]} = 1 ] || echo " and $((${#files[@]} - 1)) more") ($((total / 1000000 + 1)) MB)"
  # As the user we are: apt's own user may not enter our cache.
  /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file "${transfers[@]}" >&2 || return 1
  for file in "${files[@]}"; do mv "$debs/part/$file.part" "$debs/$file"; done
}

[ $# != 0 ] || fail "usage: fetch-deb.sh PACKAGE..."
mkdir -p "$debs/part"
require_records "$@"
if ! download "$@"; then
  # The archive keeps current versions only: the lists may be older than it.
  refresh_package_lists
  require_records "$@"
  download "$@" || fail "cannot download the packages"
fi
for package in "$@"; do
  read_record "$package"
  echo "$debs/$file"
done
