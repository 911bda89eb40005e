import SwiftVM

// QEMU's words: options that mean what they mean there.

extension OptionTable {
  /// Options of QEMU's that swiftvm honours under their own names.
  static let words =
    [
      CommandOption(
        OptionName.chardev, "BACKEND,id=ID[,KEY=VALUE...]", isRepeatable: true,
        help: "QEMU's description of a host end, for chardev=ID. Backends: socket (path, abstract,"
          + " server, wait, reconnect, reconnect-ms, host, port, to, ipv4, ipv6, nodelay, fd), udp"
          + " (host, port, localaddr, localport), file (path, append, input-path), pipe (path), pty"
          + " (path), stdio, ringbuf (size), null, hub (chardevs.0, chardevs.1...); swiftvm's exec"
          + " (command) and stderr. All: logfile, logappend, mux; swiftvm's log-annotate. swiftvm's options of"
          + " sockets and files are those of --virtserialport."),
      CommandOption(
        OptionName.device, "DRIVER[,KEY=VALUE...]", isRepeatable: true,
        help: "QEMU's description of a device: virtio-serial, virtio-serial-pci (-transitional,"
          + " -non-transitional), virtio-serial-device (id, max_ports, vectors, bus, addr,"
          + " disable-legacy, disable-modern, packed, event_idx, indirect_desc, queue_reset);"
          + " virtserialport, virtconsole (id, name, chardev, bus, nr); pvpanic; isa-debug-exit"
          + " (iobase, iosize), which ends the machine with status (value << 1) | 1: of 0 to 3, which so"
          + " make 1, 3, 5 and 7, standard error tells. Also as"
          + " {\"driver\":\"DRIVER\",\"KEY\":VALUE}."),
      CommandOption(
        OptionName.mon, "chardev=ID,mode=control", isRepeatable: true,
        help: "A -chardev socket at which clients control the machine by QMP; keys as of --qmp."),
      CommandOption(
        OptionName.action, "panic=none|pause|shutdown|exit-failure,reboot=reset|shutdown",
        help:
          "What happens when the guest tells of a panic by -device pvpanic, without which there is a"
          + " warning: nothing, as the guest decides itself (the default); it is paused; or the"
          + " machine ends with status 7, once the kernel has said all (shutdown, and exit-failure,"
          + " for which QEMU has status 1). A guest that ends itself after a panic makes status 7"
          + " in any case. reboot=shutdown is --no-reboot."),
      CommandOption(
        OptionName.smbios, "type=11,value=TEXT[,value=TEXT...]", isRepeatable: true,
        help: "Strings for the guest in SMBIOS (OEM strings), such as systemd's credentials:"
          + " value=io.systemd.credential:NAME=TEXT. A comma in TEXT is written twice."),
      CommandOption(
        OptionName.startPaused,
        help: "The guest waits before its first instruction until a client of --qmp says cont."),
      CommandOption(
        OptionName.noDefaults, help: "The serial console has no host end unless one is given."),
    ] + described + granted

  /// Options whose only values are those that describe swiftvm as it is.
  private static let described = [
    described(OptionName.machine, "q35|pc|microvm[,accel=kvm]", otherNames: ["-M"]),
    described(OptionName.accel, "kvm"),
    described(OptionName.cpu, "host|max"),
    described(OptionName.display, "none"),
    described(OptionName.vga, "none"),
    described(OptionName.vnc, "none"),
    described(OptionName.monitor, "none"),
    described(OptionName.net, "none"),
    described(OptionName.nic, "none"),
    described(OptionName.parallel, "none"),
    described(OptionName.audio, "none"),
    described(OptionName.rtc, "base=utc"),
    described(OptionName.overcommit, "mem-lock=off"),
    described(OptionName.boot, "strict=on"),
  ]

  private static func described(
    _ name: String, _ value: String, otherNames: [String] = []
  ) -> CommandOption {
    CommandOption(
      name, value, isRepeatable: true, otherNames: otherNames,
      help: "Accepted, as it says what is so anyway. Other values are refused.")
  }

  /// Options that ask for what is so anyway.
  private static let granted = [
    "-enable-kvm", "-nographic", "-no-user-config", "-no-hpet", "-no-fd-bootchk",
  ].map {
    CommandOption($0, isRepeatable: true, help: "Accepted, as it asks for what is so anyway.")
  }

  /// Whether an option asks for what is so anyway.
  static func isGranted(_ option: CommandOption) -> Bool { granted.contains(option) }
}
