import Control

/// The options of `swiftvm run` that are QEMU's and mean what they mean there, a row each.
enum QEMUOptions {
  static let all = words + described + granted

  private static let words = [
    CommandOption(
      "-chardev", "BACKEND,id=ID[,KEY=VALUE...]", isRepeatable: true,
      keys: .chardev,
      help: "QEMU's description of a backend, for chardev=ID. Backends:"
        + " \(BackendKeys.standard.summary(in: .chardev)). swiftvm's options of sockets and files are"
        + " those of --virtserialport.", store: ChardevOption.read),
    CommandOption(
      "-device", "DRIVER[,KEY=VALUE...]", isRepeatable: true,
      help: "QEMU's description of a device: virtio-serial, virtio-serial-pci (-transitional,"
        + " -non-transitional), virtio-serial-device (id, max_ports, vectors, bus, addr,"
        + " disable-legacy, disable-modern, packed, event_idx, indirect_desc, queue_reset);"
        + " virtserialport, virtconsole (id, name, chardev, bus, nr); pvpanic; isa-debug-exit"
        + " (iobase, iosize), which ends the machine with status (value << 1) | 1: of 0 to 3, which so"
        + " make 1, 3, 5 and 7, standard error tells. Also as"
        + " {\"driver\":\"DRIVER\",\"KEY\":VALUE}.", store: DeviceOption.read),
    CommandOption(
      "-mon", "chardev=ID,mode=control", isRepeatable: true,
      help: "A -chardev socket at which clients control the machine by QMP; keys as of --qmp.",
      store: ConsoleOptions.monitor),
    CommandOption(
      "-action", "panic=none|pause|shutdown|exit-failure,reboot=reset|shutdown",
      help:
        "What happens when the guest tells of a panic by -device pvpanic, without which there is a"
        + " warning: nothing, as the guest decides itself (the default); it is paused; or the"
        + " machine ends with status 7, once the kernel has said all (shutdown, and exit-failure,"
        + " for which QEMU has status 1). A guest that ends itself after a panic makes status 7"
        + " in any case. reboot=shutdown is --no-reboot.", store: MachineOptions.actions),
    CommandOption(
      "-smbios", "type=11,value=TEXT[,value=TEXT...]", isRepeatable: true,
      help: "Strings for the guest in SMBIOS (OEM strings), such as systemd's credentials:"
        + " value=io.systemd.credential:NAME=TEXT. A comma in TEXT is written twice.",
      store: MachineOptions.oemStrings),
    CommandOption(
      "-S",
      help: "The guest waits before its first instruction until a client of --qmp says cont."
    ) { reader, _ in reader.request.machine.startsPaused = true },
    CommandOption(
      "-nodefaults", help: "The serial console has no backend unless one is given."
    ) { reader, _ in reader.request.hasNoDefaults = true },
  ]

  /// Options of which only those values are taken that describe swiftvm as it is.
  private static let described = [
    described(
      "-machine", "q35|pc|microvm[,accel=kvm]", otherNames: ["-M"], store: MachineOptions.machine),
    described("-accel", "kvm", ["kvm"], "leave it out; KVM is what there is"),
    described("-cpu", "host|max", ["host", "max"], "give -cpu host, or leave it out"),
    described("-display", "none", ["none"], "give -display none; there is no display"),
    described("-vga", "none", ["none"], "give -vga none; there is no display"),
    described("-vnc", "none", ["none"], "there is no display; use --serial or --virtconsole"),
    described(
      "-monitor", "none", ["none", "null"],
      "give --qmp PATH; there is no human monitor (HMP)"),
    described("-net", "none", ["none"], noNetwork),
    described("-nic", "none", ["none"], noNetwork),
    described("-parallel", "none", ["none"], "leave it out"),
    described("-audio", "none", ["none"], "leave it out"),
    described(
      "-rtc", "base=utc",
      [
        "base": .init(["utc"], "leave it out; the clock has the host's time in UTC"),
        "clock": .init(["host"]), "driftfix": .init(["none"]),
      ], example: "base=utc"),
    described(
      "-overcommit", "mem-lock=off", ["mem-lock": .init(["off"]), "cpu-pm": .init(["off"])],
      example: "mem-lock=off"),
    described(
      "-boot", "strict=on", ["strict": .init(["on", "off"]), "menu": .init(["off"])],
      example: "strict=on; the kernel is what is booted"),
  ]

  private static let noNetwork =
    "there is no network; give the guest a channel (--virtserialport name=NAME,socket=PATH)"

  private static func described(
    _ name: String, _ value: String, otherNames: [String] = [],
    store: @escaping CommandOption.Store
  ) -> CommandOption {
    CommandOption(
      name, value, otherNames: otherNames, isRepeatable: true,
      help: "Accepted, as it says what is so anyway. Other values are refused.", store: store)
  }

  private static func described(
    _ name: String, _ value: String, _ words: [String], _ remedy: String
  ) -> CommandOption {
    described(name, value) { (_, given) throws(UsageError) in try given.expect(words, remedy) }
  }

  private static func described(
    // String keys: the program's own words.
    _ name: String, _ value: String, _ keys: [String: KeyValueList.FixedKey], example: String
  ) -> CommandOption {
    described(name, value) { (_, given) throws(UsageError) in
      _ = try given.list(.init(fixed: keys, example: "\(given.spelling) \(example)"))
    }
  }

  /// Options that request the only supported behaviour.
  private static let granted = [
    "-enable-kvm", "-nographic", "-no-user-config", "-no-hpet", "-no-fd-bootchk",
  ].map {
    CommandOption(
      $0, isRepeatable: true, help: "Accepted, as it asks for what is so anyway.",
      store: { _, _ in })
  }
}
