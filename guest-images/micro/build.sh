#!/bin/sh
# Builds the micro guest with the Swift toolchain's clang and lld: guest-images/build/micro/guest.elf.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../build/micro}
tools=$(dirname "$(command -v swiftc)")
[ -x "$tools/ld.lld" ] || tools=$(dirname "$(readlink -f "$(command -v swiftc)")")

mkdir -p "$out"
out=$(cd "$out" && pwd)
objects=
for source in start.S guest.c options.c print.c interrupts.c pci.c virtio.c console.c traffic.c hostile.c hotplug.c endings.c; do
  object=$out/${source%.*}.o
  # General registers only, plain code: the guest must also run where KVM interprets it.
  "$tools/clang" -target x86_64-unknown-none-elf -std=c11 -Os -Wall -Wextra -Werror \
    -ffreestanding -nostdlib -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables \
    -mno-red-zone -mgeneral-regs-only -c "$here/$source" -o "$object"
  objects="$objects $object"
done
# shellcheck disable=SC2086
"$tools/ld.lld" -T "$here/guest.ld" --build-id=none -o "$out/guest.elf" $objects
