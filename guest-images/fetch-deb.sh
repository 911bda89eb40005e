#!/bin/bash
# fetch-deb.sh PACKAGE: downloads PACKAGE's current .deb without installing it and prints its path.
# A metapackage (linux-image-cloud-amd64) stands for the kernel package it depends on. What is in the cache and
# still current is not downloaded again; an interrupted download goes on where it was, if the mirror lets it.
. "$(dirname "$0")/lib.sh"
debs=$cache/debs
lists=/var/lib/apt/lists

# Prints apt's "'URI' FILE SIZE SHA256:HASH" for the package.
locate() {
  local package=$1 kernel
  kernel=$(apt-cache depends "$package" 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | sort -V | tail -1)
  # From a folder without .deb files: for one that is already there apt-get prints nothing.
  (cd "$debs/part" && apt-get download -qq --print-uris "${kernel:-$package}" 2>/dev/null) | tail -1
}

# Asks apt only when its lists have changed, since it takes a second to answer.
refresh_record() {
  local line
  ! up_to_date "$record" "$lists" || return 0
  line=$(locate "$package") || true
  if [ -z "$line" ] && [ ! -s "$record" ]; then
    refresh_package_lists
    line=$(locate "$package") || true
  fi
  if [ -n "$line" ]; then echo "$line" >"$record"
  elif [ -s "$record" ]; then say "apt does not know $package now: using the one in the cache"
  else fail "apt knows no package $package; see /etc/apt/sources.list"
  fi
}

download() {
  say "downloading $file ($((size / 1000000 + 1)) MB)"
  # As the user we are: apt's own user may not enter our cache.
  /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file "$uri" "$debs/part/$file.part" "$hash" >&2
}

read_record() {
  read -r uri file size hash <"$record"
  uri=${uri#\'} uri=${uri%\'}
}

intact() { echo "${hash#SHA256:}  $debs/$file" | sha256sum --check --status 2>/dev/null; }

[ $# = 1 ] || fail "usage: fetch-deb.sh PACKAGE"
package=$1
record=$debs/$package.uri
mkdir -p "$debs/part"
refresh_record
read_record
if ! intact; then
  if ! download; then
    # The archive keeps current versions only: the lists may be older than it.
    refresh_package_lists
    refresh_record
    read_record
    download || fail "cannot download $uri"
  fi
  mv "$debs/part/$file.part" "$debs/$file"
fi
echo "$debs/$file"
