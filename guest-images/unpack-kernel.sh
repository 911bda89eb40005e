#!/bin/bash
# unpack-kernel.sh KERNEL OUT MODULE...: makes the folder OUT with vmlinuz (unmodified), vmlinux (its ELF image),
# version, and modules/: the named ones and what they need (see module-order.sh), uncompressed, in the order of
# modules/order. KERNEL is a package's name, a .deb, or a bzImage with its modules in $MODULES (by default
# /lib/modules/VERSION). Nothing is done where OUT is up to date.
. "$(dirname "$0")/lib.sh"
kernel=$1 out=$2
shift 2

# The version a bzImage carries: its header's kernel_version points to it.
version_of() {
  local offset
  offset=$(od -An -v -tu2 -j $((0x20e)) -N 2 "$1" | tr -d ' ')
  slice "$1" $((offset + 0x200)) 128 | tr '\0 ' '\n\n' | sed -n 1p
}

copy_modules() {
  local path name
  mkdir "$part/modules"
  : >"$part/modules/order"
  "$images/module-order.sh" "$modules" "$@" >"$part/paths"
  while read -r path; do
    name=${path##*/} name=${name%%.ko*}.ko
    "$images/decompress.sh" "$path" >"$part/modules/$name"
    echo "$name" >>"$part/modules/order"
  done <"$part/paths"
}

if [ ! -e "$kernel" ]; then
  case $kernel in
    */*) fail "no kernel $kernel" ;;
    *) kernel=$("$images/fetch-deb.sh" "$kernel") ;;
  esac
fi
key="$kernel ${MODULES:-} $*"
if [ "$(cat "$out/key" 2>/dev/null)" = "$key" ] && up_to_date "$out/key" "$kernel" "$0" \
  "$images"/{module-order,extract-vmlinux,decompress}.sh; then
  exit
fi

part=$out.part
rm -rf "$part"
mkdir -p "$part"
say "unpacking ${kernel##*/}"
if [[ $kernel == *.deb ]]; then
  dpkg-deb --extract "$kernel" "$part/package"
  image=$(find "$part/package" -name 'vmlinuz*')
  modules=$(find "$part/package" -path '*/lib/modules/*' -prune)
else
  image=$kernel
  modules=${MODULES:-/lib/modules/$(version_of "$kernel")}
fi
cp "$image" "$part/vmlinuz"
version_of "$image" >"$part/version"
"$images/extract-vmlinux.sh" "$part/vmlinuz" "$part/vmlinux"
copy_modules "$@"
rm -rf "$part/package" "$part/paths"
echo "$key" >"$part/key"
rm -rf "$out"
mv "$part" "$out"
