#!/bin/bash
# extract-vmlinux.sh BZIMAGE VMLINUX: takes the ELF kernel out of a bzImage's compressed payload. Entered through
# PVH it starts sooner than the bzImage, which unpacks itself first. (Linux boot protocol 2.08: setup_sects,
# payload_offset, payload_length.)
. "$(dirname "$0")/lib.sh"
image=$1 out=$2

number() { od -An -v -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' \n'; }

[ "$(slice "$image" $((0x202)) 4 | tr -d '\0')" = HdrS ] || fail "$image is not a bzImage"
setup_sectors=$(number $((0x1f1)) 1)
[ "$setup_sectors" != 0 ] || setup_sectors=4
start=$(((setup_sectors + 1) * 512 + $(number $((0x248)) 4)))
length=$(number $((0x24c)) 4)

payload=$out.payload
trap 'rm -f "$payload"' EXIT
slice "$image" "$start" "$length" >"$payload"
# The kernel's build appends the unpacked size, save for gzip, whose format ends with it.
[ "$(od -An -tx1 -N2 "$payload" | tr -d ' ')" = 1f8b ] || truncate -s -4 "$payload"
"$images/decompress.sh" "$payload" >"$out.part"
[ "$(slice "$out.part" 1 3 | tr -d '\0')" = ELF ] || fail "$image: its payload is no ELF file"
mv "$out.part" "$out"
