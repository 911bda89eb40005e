#!/bin/bash
# fetch-program.sh [--packaged] COMMAND PACKAGE: prints the path of COMMAND: the host's own (unless --packaged), or
# else the one out of PACKAGE, unpacked into the cache, not installed. For programs that need no libraries beyond
# those of a bare Debian.
. "$(dirname "$0")/lib.sh"
packaged=
[ "$1" != --packaged ] || { packaged=1; shift; }
command=$1 package=$2
programs=$cache/programs

if [ -z "$packaged" ] && host=$(command -v "$command"); then echo "$host"; exit; fi
deb=$("$images/fetch-deb.sh" "$package")
program=$programs/$command
if ! up_to_date "$program" "$deb"; then
  mkdir -p "$programs"
  dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards "*/bin/$command" >"$program.part"
  chmod +x "$program.part"
  mv "$program.part" "$program"
fi
echo "$program"
