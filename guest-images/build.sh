#!/bin/bash
# build.sh: makes a guest image in guest-images/build: vmlinuz (a distribution's kernel, unmodified), vmlinux (its ELF
# image, which starts sooner) and initramfs.cpio (busybox, modules, init, scripts, vport).
#
#   build.sh                               Debian's current cloud kernel
#   KERNEL=/boot/vmlinuz-6.1.0-9 build.sh  another: a bzImage (MODULES=DIR, by default /lib/modules/VERSION), a .deb,
#                                          or a package's name; the image goes to build/VERSION, or build/$NAME
#
# Steps whose result is up to date are skipped; downloads are kept in ${SWIFTVM_CACHE:-~/.cache/swiftvm}.
. "$(dirname "$0")/lib.sh"

# virtio_pci or virtio_mmio, and virtio_console: the ports. button and evdev: the power button, for an acpid.
modules="virtio_pci virtio_mmio? virtio_console button? evdev? pvpanic_mmio?"
stock=linux-image-cloud-amd64

build_tools() {
  local out=$build/parts/vport
  ! up_to_date "$out" "$images"/tools/* || return 0
  say "compiling the guest's tools"
  "$(compiler)" -std=gnu2x -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static "$images"/tools/*.c -o "$out.part"
  mv "$out.part" "$out"
}

pack() {
  local kernel=$1 out=$2 root=$2.root busybox
  busybox=$("$images/fetch-program.sh" --packaged busybox busybox-static)
  ! up_to_date "$out" "$kernel/key" "$busybox" "$build/parts/vport" "$images"/{init,load-module,await-port} \
    "$images"/scripts "$images"/scripts/* "$images/build.sh" || return 0
  say "packing $out"
  rm -rf "$root"
  mkdir -p "$root"/{bin,dev,lib,proc,sys,tmp}
  cp "$busybox" "$build/parts/vport" "$images/await-port" "$images/load-module" "$root/bin"
  cp -r "$kernel/modules" "$root/lib"
  cp -r "$images/scripts" "$images/init" "$root"
  "$images/pack-initramfs.sh" "$root" "$out"
  rm -rf "$root"
}

mkdir -p "$build/parts"
source=${KERNEL:-$stock}
parts=$build/parts/${NAME:-$(basename "$source" .deb)}
# shellcheck disable=SC2086 # the list is words
"$images/unpack-kernel.sh" "$source" "$parts" $modules
image=$build
[ "$source" = "$stock" ] || image=$build/${NAME:-$(cat "$parts/version")}
mkdir -p "$image"
ln -f "$parts/vmlinuz" "$parts/vmlinux" "$image/"
build_tools
pack "$parts" "$image/initramfs.cpio"
say "guest image: $image ($(cat "$parts/version"))"
