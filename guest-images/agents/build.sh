#!/bin/bash
# build.sh: makes, in guest-images/build/agents, what is to be started with build/vmlinux: agents.cpio, the guest image's
# initramfs with real programs that use ports (Debian's packages, unmodified) and the examples on top; guestfs.cpio,
# the same with libguestfs's daemon; and guestfish, libguestfs's program for the host. Steps whose result is up to date
# are skipped.
. "$(dirname "$0")/../lib.sh"
agents=$images/agents
out=$build/agents

modules=usr/lib/x86_64-linux-gnu/rsyslog
programs=(qemu-guest-agent=usr/sbin/qemu-ga spice-vdagent=usr/sbin/spice-vdagentd rsyslog=usr/sbin/rsyslogd
  rsyslog=$modules/imuxsock.so rsyslog=$modules/imklog.so rsyslog=$modules/lmnet.so)

# A file out of a package.
file_of() { dpkg-deb --fsys-tarfile "$("$images/fetch-deb.sh" "$1")" | tar -xO --wildcards "$2"; }

compile() {
  local source=$1 program=$out/parts/$(basename "$1" .c)
  ! up_to_date "$program" "$source" || return 0
  say "compiling ${source##*/}"
  "$(compiler)" -std=gnu2x -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static "$source" -o "$program.part"
  mv "$program.part" "$program"
}

add_agents() {
  cp "$out"/parts/* "$1/bin"
  cp "$agents/rsyslog.conf" "$1/etc"
  cp "$agents/shutdown" "$1/sbin"
  cp "$agents"/scripts/* "$1/scripts"
  file_of base-files ./usr/lib/os-release >"$1/etc/os-release"
}

add_loop_devices() {
  local module=$out/loop.part
  file_of linux-image-cloud-amd64 '*/kernel/drivers/block/loop.ko*' >"$module"
  "$images/decompress.sh" "$module" >"$1/lib/modules/loop.ko"
  rm "$module"
}

# pack BASE NAME ADD: NAME.cpio is the archive BASE and after it NAME's programs with what ADD adds: the kernel unpacks
# one archive after the other.
pack() {
  local base=$1 name=$2 add=$3 root=$out/$2.root
  ! up_to_date "$out/$name.cpio" "$base" "$out/$name" "$out"/parts/* "$agents"/{build.sh,rsyslog.conf,shutdown} \
    "$agents"/scripts/* || return 0
  say "packing $out/$name.cpio"
  rm -rf "$root"
  cp -r "$out/$name" "$root"
  rm "$root/.key"
  mkdir -p "$root"/{bin,etc,sbin,scripts,lib/modules,run,var/lib,var/log}
  ln -s ../run "$root/var/run"
  "$add" "$root"
  "$images/pack-initramfs.sh" "$root" "$root.cpio"
  cat "$base" "$root.cpio" >"$out/$name.cpio.part"
  mv "$out/$name.cpio.part" "$out/$name.cpio"
  rm -rf "$root" "$root.cpio"
}

mkdir -p "$out/parts"
require /usr/bin/python3 python3-minimal
"$images/unpack-programs.sh" "$out/agents" "${programs[@]}"
"$images/unpack-programs.sh" "$out/guestfs" guestfsd=usr/sbin/guestfsd e2fsprogs=sbin/mke2fs util-linux=sbin/wipefs
"$images/unpack-programs.sh" "$out/guestfish" guestfish=usr/bin/guestfish
for source in "$images"/examples/*.c "$agents"/*.c; do compile "$source"; done
pack "$build/initramfs.cpio" agents add_agents
pack "$out/agents.cpio" guestfs add_loop_devices
say "guest images with programs: $out"
