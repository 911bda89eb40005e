import SwiftVM

/// The values of options that are about the machine as a whole; most are QEMU's, and many of these
/// only say what is so anyway.
enum MachineOptions {
  /// Reads an option's value into a request.
  static func take(
    _ match: ArgumentScanner.Match, into request: inout RunRequest
  ) throws(ConfigurationError) {
    let reader = MachineWordReader(option: match.spelling, value: match.value)
    switch match.option.name {
    case OptionName.memory: request.memorySize = try reader.memorySize
    case OptionName.hugePages:
      try reader.expect(["on", "off"], "give --huge-pages on or --huge-pages off")
      request.usesHugePages = match.value == "on"
    case OptionName.cpus: request.cpuCount = try reader.cpuCount
    case OptionName.name: request.name = try reader.name
    case OptionName.machine: try reader.checkMachine()
    case OptionName.accel: try reader.expect(["kvm"], "leave it out; KVM is what there is")
    case OptionName.cpu: try reader.expect(["host", "max"], "give -cpu host, or leave it out")
    case OptionName.display: try reader.expect(["none"], "give -display none; there is no display")
    case OptionName.vga: try reader.expect(["none"], "give -vga none; there is no display")
    case OptionName.vnc:
      try reader.expect(["none"], "there is no display; use --serial or --virtconsole")
    case OptionName.net, OptionName.nic:
      try reader.expect(
        ["none"],
        "there is no network; give the guest a channel (--virtserialport name=NAME,socket=PATH)")
    case OptionName.parallel, OptionName.audio: try reader.expect(["none"], "leave it out")
    case OptionName.monitor:
      try reader.expect(["none", "null"], "give --qmp PATH; there is no human monitor (HMP)")
    case OptionName.rtc: try reader.checkClock()
    case OptionName.overcommit: try reader.checkOvercommitment()
    case OptionName.boot: try reader.checkBoot()
    case OptionName.action: try reader.readActions(into: &request)
    case OptionName.smbios: request.oemStrings += try reader.oemStrings
    case OptionName.startPaused: request.startsPaused = true
    case OptionName.noDefaults: request.hasNoDefaults = true
    case _ where OptionTable.isGranted(match.option): return
    // In the table, so known to the help, but not here: better said than ignored.
    default:
      throw ConfigurationError(
        option: match.spelling, value: match.value, problem: "this option is not supported",
        remedy: "leave it out")
    }
  }
}

/// Reads one value.
private struct MachineWordReader {
  /// As it was given.
  let option: String
  let value: String

  private func error(_ problem: String, _ remedy: String) -> ConfigurationError {
    ConfigurationError(option: option, value: value, problem: problem, remedy: remedy)
  }

  private func list(_ grammar: KeyValueList.Grammar) throws(ConfigurationError) -> KeyValueList {
    try KeyValueList(value, option: option, grammar)
  }

  /// Accepts only values that ask for what is so anyway.
  func expect(_ values: [String], _ remedy: String) throws(ConfigurationError) {
    guard values.contains(value) else { throw error("this is not supported", remedy) }
  }

  // MARK: Sizes and names

  var memorySize: UInt64 {
    get throws(ConfigurationError) {
      let size: String
      if value.contains("=") || value.contains(",") {
        let list = try list(
          .init(
            implied: "size", fixed: ["slots": .init(["0"]), "maxmem": .init([])],
            example: "\(option) 512M"))
        guard let given = list["size"] else { throw error("the size is missing", "give size=512M") }
        size = given
      } else {
        size = value
      }
      do throws(ByteCount.ParseError) { return try ByteCount.parse(size) } catch {
        let (problem, remedy) =
          switch error {
          case .malformed:
            ("this is not a size", "give a number with K, M or G, e.g. \(option) 512M")
          case .tooLarge: ("no machine has so much memory", "give e.g. \(option) 512M")
          }
        throw self.error(problem, remedy)
      }
    }
  }

  var cpuCount: Int {
    get throws(ConfigurationError) {
      guard value.contains("=") || value.contains(",") else { return try wholeNumber(value) }
      let keys = ["cpus", "maxcpus", "sockets", "cores", "threads", "dies"]
      let list = try list(
        .init(optional: Array(keys.dropFirst()), implied: "cpus", example: "\(option) 2"))
      var numbers: [Int?] = []
      for key in keys {
        let number = try list[key].map(wholeNumber)
        guard number != 0 || key == "cpus" else {
          throw error("\"\(key)\" is 0", "give at least 1, or leave it out")
        }
        numbers.append(number)
      }
      guard (numbers[4] ?? 1) == 1, (numbers[5] ?? 1) == 1 else {
        throw error("every CPU is a core of its own", "leave threads and dies out")
      }
      return try count(
        numbers[0], most: numbers[1], CPUTopology(sockets: numbers[2], cores: numbers[3]))
    }
  }

  private func count(
    _ given: Int?, most: Int?, _ topology: CPUTopology
  ) throws(ConfigurationError) -> Int {
    let product = topology.count(of: given ?? most)
    let count = given ?? most ?? product
    guard (most ?? count) == count else {
      throw error("CPUs cannot be added later", "leave maxcpus out")
    }
    guard product == count else {
      throw error(
        "product of the hierarchy must match maxcpus",
        "give sockets and cores that come to \(count)")
    }
    return count
  }

  private func wholeNumber(_ text: String) throws(ConfigurationError) -> Int {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      throw error("this is not a whole number", "give e.g. \(option) 2")
    }
    guard let count = Int(text) else {
      throw error("no machine has so many CPUs", "give e.g. \(option) 2")
    }
    return count
  }

  var name: String {
    get throws(ConfigurationError) {
      let list = try list(
        .init(
          implied: "guest",
          fixed: [
            "debug-threads": .init(["on"], "leave it out; threads have names anyway"),
            "process": .init([], "leave it out; exec -a gives a process another name"),
          ], example: "\(option) NAME"))
      guard let name = list["guest"] else { throw error("the name is missing", "give guest=NAME") }
      return name
    }
  }

  // MARK: What is so anyway

  func checkMachine() throws(ConfigurationError) {
    let off = KeyValueList.FixedKey(["off"])
    let on = KeyValueList.FixedKey(["on"])
    let list = try list(
      .init(
        implied: "type",
        fixed: [
          "accel": .init(["kvm", "kvm:tcg"], "give accel=kvm; KVM is what there is"),
          "kernel_irqchip": on, "kernel-irqchip": on, "acpi": on, "pit": on, "pic": on, "rtc": on,
          "isa-serial": on, "usb": off, "vmport": off, "smm": off, "hpet": off, "graphics": off,
          "dump-guest-core": .init(["on"]), "mem-merge": .init(["on"]), "nvdimm": off,
          "sata": off, "smbus": off,
        ], example: "\(option) q35,accel=kvm"))
    guard let type = list["type"] else { return }
    let isKnown =
      ["q35", "pc", "microvm"].contains(type)
      || ["pc-q35-", "pc-i440fx-"].contains { type.hasPrefix($0) }
    guard isKnown else {
      throw error(
        "swiftvm has one machine, for which q35, pc and microvm may stand",
        "leave \(option) out")
    }
  }

  func checkClock() throws(ConfigurationError) {
    _ = try list(
      .init(
        words: [],
        fixed: [
          "base": .init(["utc"], "leave it out; the clock has the host's time in UTC"),
          "clock": .init(["host"]), "driftfix": .init(["none"]),
        ], example: "\(option) base=utc"))
  }

  func checkOvercommitment() throws(ConfigurationError) {
    _ = try list(
      .init(
        fixed: ["mem-lock": .init(["off"]), "cpu-pm": .init(["off"])],
        example: "\(option) mem-lock=off"))
  }

  func checkBoot() throws(ConfigurationError) {
    _ = try list(
      .init(
        fixed: ["strict": .init(["on", "off"]), "menu": .init(["off"])],
        example: "\(option) strict=on; the kernel is what is booted"))
  }

  // MARK: Strings for the guest

  var oemStrings: [String] {
    get throws(ConfigurationError) {
      let list = try list(
        .init(
          required: ["type", "value"], repeatable: ["value"], example: "type=11,value=TEXT"))
      guard list["type"] == "11" else {
        throw error(
          "of SMBIOS, the OEM strings can be set, and nothing else", "give type=11,value=TEXT")
      }
      return list.all("value")
    }
  }

  // MARK: Actions

  private enum PanicAction: String, CaseIterable {
    case none, pause, shutdown
    case exitFailure = "exit-failure"
  }

  private enum RebootAction: String, CaseIterable { case reset, shutdown }

  func readActions(into request: inout RunRequest) throws(ConfigurationError) {
    let list = try list(
      .init(
        optional: ["panic", "reboot"],
        fixed: ["shutdown": .init(["poweroff"]), "watchdog": .init([], "there is no watchdog")],
        example: "\(option) panic=none|pause|shutdown|exit-failure,reboot=reset|shutdown"))
    if let panic: PanicAction = try list.choice("panic") {
      request.panicPolicy =
        switch panic {
        case .none: .proceed
        case .pause: .pause
        case .shutdown, .exitFailure: .exit
        }
    }
    if let reboot: RebootAction = try list.choice("reboot") {
      request.resetPolicy = reboot == .reset ? .reboot : .exit
    }
  }
}
