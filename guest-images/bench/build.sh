#!/bin/sh
# Builds the benchmark's guest with the Swift toolchain's clang and lld: guest-images/build/bench/guest.elf, and
# rom.bin, by which QEMU starts it without firmware.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
micro=$here/../micro
out=${1:-$here/../build/bench}
tools=$(dirname "$(command -v swiftc)")
[ -x "$tools/ld.lld" ] || tools=$(dirname "$(readlink -f "$(command -v swiftc)")")

mkdir -p "$out"
out=$(cd "$out" && pwd)

# General registers only, plain code: bring-up must also run where KVM interprets it.
compile() {
  "$tools/clang" -target x86_64-unknown-none-elf -std=c11 -O2 -Wall -Wextra -Werror \
    -ffreestanding -nostdlib -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-jump-tables \
    -mno-red-zone -mgeneral-regs-only -I"$micro" -c "$1" -o "$2"
}

objects=
for source in "$here/start.S" "$here/main.c" "$here/ring.c" "$here/device.c" "$here/console.c" "$here/modes.c" \
  "$micro/options.c" "$micro/print.c" "$micro/pci.c"; do
  name=${source##*/}
  object=$out/${name%.*}.o
  compile "$source" "$object"
  objects="$objects $object"
done
# shellcheck disable=SC2086
"$tools/ld.lld" -T "$micro/guest.ld" --build-id=none -o "$out/guest.elf" $objects
compile "$here/rom.S" "$out/rom.o"
"$tools/ld.lld" --oformat=binary -Ttext=0xffff0000 --entry=0xfffffff0 -o "$out/rom.bin" "$out/rom.o"
