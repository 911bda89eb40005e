#!/bin/bash
# pack-initramfs.sh FOLDER OUT: packs FOLDER as an uncompressed initramfs; the same content gives the same bytes.
. "$(dirname "$0")/lib.sh"
folder=$1 out=$2
busybox=$("$images/fetch-program.sh" --packaged busybox busybox-static)
find "$folder" -exec touch -h -d @0 {} +
(cd "$folder" && find . -mindepth 1 | LC_ALL=C sort |
  "$busybox" cpio -o -H newc -R 0:0 --renumber-inodes --ignore-devno --quiet) >"$out.part"
mv "$out.part" "$out"
