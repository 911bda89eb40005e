/// QEMU's options that swiftvm does not have, each with what to do instead: better said than ignored.
enum RefusedOptions {
  /// What to do instead of an option; nil for one that QEMU does not have either.
  ///
  /// - Parameter name: the option's name without dashes.
  static func remedy(for name: String) -> String? {
    groups.first { $0.names.split(separator: " ").contains { $0 == name } }?.remedy
  }

  private static let groups: [(names: String, remedy: String)] = [
    (
      "drive blockdev hda hdb hdc hdd cdrom fda fdb sd pflash mtdblock snapshot iscsi",
      "there are no disks; put what the guest needs into the initial RAM disk (--initrd)"
    ),
    (
      "netdev",
      "there is no network; give the guest a channel (--virtserialport name=NAME,socket=PATH)"
    ),
    (
      "virtfs fsdev",
      "there are no shared directories; put files into the initial RAM disk (--initrd)"
    ),
    (
      "spice sdl gtk curses full-screen g k alt-grab ctrl-grab portrait rotate",
      "there is no display; use --serial or --virtconsole"
    ),
    ("audiodev audio-help soundhw usb usbdevice tpmdev balloon", "leave it out"),
    (
      "bios L option-rom acpitable dtb fw_cfg",
      "there is no firmware; the kernel is booted directly (--kernel)"
    ),
    ("no-acpi", "leave it out; the guest needs ACPI to power off"),
    ("uuid", "leave it out; SMBIOS tells the guest no UUID here"),
    (
      "gdb s d D dfilter icount singlestep plugin semihosting semihosting-config "
        + "enable-sync-profile",
      "leave it out; --trace and --stats show what the devices do"
    ),
    (
      "incoming loadvm only-migratable dump-vmstate preconfig",
      "there is no migration, and there are no snapshots"
    ),
    ("object numa mem-path mem-prealloc", "leave it out; memory is --memory SIZE"),
    ("global set readconfig writeconfig compat", "give the property to the -device itself"),
    ("echr", "leave it out; Ctrl-A is the escape key"),
    ("seed", "leave it out; the guest's random numbers are its own"),
    ("no-shutdown", "leave it out; the machine ends when the guest powers off"),
    ("watchdog watchdog-action", "there is no watchdog; leave it out"),
    ("qmp-pretty", "give --qmp PATH; replies come in one line each"),
    ("debugcon", "give --serial, or --emergency file=PATH"),
    (
      "chroot runas run-with sandbox",
      "start swiftvm as the user it shall run as, e.g. with setpriv or systemd-run"
    ),
    ("add-fd", "give the descriptor to a backend: -chardev socket,fd=NUMBER,id=ID"),
    (
      "msg pidfile-mode async-teardown perfmap jitdump tb-size win2k-hack old-param "
        + "prom-env xen-attach xen-domid xen-domid-restrict realtime shim",
      "leave it out"
    ),
  ]
}
