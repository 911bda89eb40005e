#!/bin/bash
# demo.sh: boots the guest image with org.fedoraproject.port.0 on a Unix socket, sends a line through it as a host
# client, prints what both sides saw, and succeeds if the guest answered and powered off. Where this host's /dev/kvm
# cannot run Linux, all that happens in the nested machine (--here: this is it). `make demo` does the building.
. "$(dirname "$0")/lib.sh"
root=${images%/*}
swiftvm=${SWIFTVM:-$root/.build/release/swiftvm}
port=org.fedoraproject.port.0

if [ "${1:-}" != --here ] && ! reason=$("$root/Tests/nested/can-run-linux"); then
  say "$reason: using a nested machine (QEMU under TCG, slow)"
  exec "$root/Tests/nested/run" -t 400 -- "$images/demo.sh" --here
fi

work=$(mktemp -d)
vm=
clean_up() {
  [ -z "$vm" ] || kill "$vm" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

command=("$swiftvm" run --kernel "$build/vmlinux" --initrd "$build/initramfs.cpio"
  --append "console=ttyS0 quiet swiftvm.run=demo"
  --virtserialport "name=$port,socket=$work/port0")
say "$(for word in "${command[@]}"; do [[ $word != *' '* ]] || word="'$word'"; printf '%s ' "$word"; done)"
mkfifo "$work/console"
sed -u 's/\r$//; s/^/guest | /' "$work/console" &
label=$!
setpriv --pdeathsig TERM timeout -k 5 300 "${command[@]}" </dev/null >"$work/console" 2>&1 &
vm=$!

status=0
VM=$vm "$images/demo-client.pl" "$work/port0" "hello guest, this is the host" || status=$?
wait "$vm" || { echo "demo: swiftvm ended with status $?"; status=1; }
vm=
wait "$label"
[ "$status" = 0 ] || { echo "demo: failed"; exit 1; }
echo "demo: the guest answered through $port and powered off"
