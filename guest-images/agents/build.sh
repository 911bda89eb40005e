#!/bin/bash
# build.sh: makes guest-images/build/agents/agents.cpio, to be started with build/vmlinux: the guest image's initramfs with
# real programs that use ports (Debian's packages, unmodified) and the examples on top. Steps whose result is up to date
# are skipped.
. "$(dirname "$0")/../lib.sh"
agents=$images/agents
out=$build/agents

modules=usr/lib/x86_64-linux-gnu/rsyslog
programs=(qemu-guest-agent=usr/sbin/qemu-ga rsyslog=usr/sbin/rsyslogd
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

# pack BASE NAME ADD: NAME.cpio is the archive BASE and after it NAME's programs with what ADD adds: the kernel unpacks
# one archive after the other.
pack() {
  local base=$1 name=$2 add=$3 root=$out/$2.root
  ! up_to_date "$out/$name.cpio" "$base" "$out/$name" "$out"/parts/* "$agents"/* "$agents"/scripts/* || return 0
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
for source in "$images"/examples/*.c; do compile "$source"; done
pack "$build/initramfs.cpio" agents add_agents
say "guest image with programs: $out"
