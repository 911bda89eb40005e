import Control
import Host
import SwiftVM

/// The values of options that are about the machine as a whole.
enum MachineOptions {
  // MARK: Sizes and names

  static func memory(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try given.list(
      .init(
        implied: "size", fixed: ["slots": .init(["0"]), "maxmem": .init([])],
        example: "\(given.spelling) 512M"))
    guard let size = list["size"] else {
      throw given.error("the size is missing", "give size=512M")
    }
    do throws(ByteCount.ParseError) {
      reader.request.machine.memorySize = try ByteCount.parse(size)
    } catch .malformed {
      throw given.error(
        "this is not a size", "give a number with K, M or G, e.g. \(given.spelling) 512M")
    } catch {
      throw given.error("no machine has so much memory", "give e.g. \(given.spelling) 512M")
    }
  }

  static func cpus(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let keys = ["cpus", "maxcpus", "sockets", "cores", "threads", "dies"]
    let list = try given.list(
      .init(optional: Array(keys.dropFirst()), implied: "cpus", example: "\(given.spelling) 2"))
    var numbers: [Int?] = []
    for key in keys {
      let number = try list[key].map { (text) throws(UsageError) in try cpuCount(text, given) }
      guard number != 0 || key == "cpus" else {
        throw given.error("\"\(key)\" is 0", "give at least 1, or leave it out")
      }
      numbers.append(number)
    }
    guard (numbers[4] ?? 1) == 1, (numbers[5] ?? 1) == 1 else {
      throw given.error("every CPU is a core of its own", "leave threads and dies out")
    }
    reader.request.machine.cpuCount = try count(
      numbers[0], most: numbers[1], sockets: numbers[2], cores: numbers[3], given)
  }

  /// How many CPUs these are, by QEMU's rule for what is not given.
  private static func count(
    _ number: Int?, most: Int?, sockets: Int?, cores: Int?, _ given: GivenOption
  ) throws(UsageError) -> Int {
    let total = number ?? most
    let sockets = sockets ?? cores.map { (total ?? $0) / $0 } ?? 1
    let cores = cores ?? (total ?? sockets) / sockets
    let (whole, overflow) = sockets.multipliedReportingOverflow(by: cores)
    let product = overflow ? Int.max : whole
    let count = total ?? product
    guard (most ?? count) == count else {
      throw given.error("CPUs cannot be added later", "leave maxcpus out")
    }
    guard product == count else {
      throw given.error(
        "product of the hierarchy must match maxcpus",
        "give sockets and cores that come to \(count)")
    }
    return count
  }

  private static func cpuCount(_ text: String, _ given: GivenOption) throws(UsageError) -> Int {
    guard ValueKind.isDigits(text) else {
      throw given.error("this is not a whole number", "give e.g. \(given.spelling) 2")
    }
    guard let count = Int(text) else {
      throw given.error("no machine has so many CPUs", "give e.g. \(given.spelling) 2")
    }
    return count
  }

  static func name(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try given.list(
      .init(
        implied: "guest",
        fixed: [
          "debug-threads": .init(["on"], "leave it out; threads have names anyway"),
          "process": .init([], "leave it out; exec -a gives a process another name"),
        ], example: "\(given.spelling) NAME"))
    guard let name = list["guest"] else {
      throw given.error("the name is missing", "give guest=NAME")
    }
    reader.request.machine.name = name
  }

  static func hugePages(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    try given.expect(["on", "off"], "give --huge-pages on or --huge-pages off")
    reader.request.machine.usesHugePages = given.value == "on"
  }

  static func oemStrings(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try given.list(
      .init(required: ["type", "value"], repeatable: ["value"], example: "type=11,value=TEXT"))
    guard list["type"] == "11" else {
      throw given.error(
        "of SMBIOS, the OEM strings can be set, and nothing else", "give type=11,value=TEXT")
    }
    reader.request.machine.oemStrings += list.all("value")
  }

  /// `-machine`, of which only what swiftvm is in any case is accepted.
  static func machine(_: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let off = KeyValueList.FixedKey(["off"])
    let on = KeyValueList.FixedKey(["on"])
    let list = try given.list(
      .init(
        implied: "type",
        fixed: [
          "accel": .init(["kvm", "kvm:tcg"], "give accel=kvm; KVM is what there is"),
          "kernel_irqchip": on, "kernel-irqchip": on, "acpi": on, "pit": on, "pic": on, "rtc": on,
          "isa-serial": on, "usb": off, "vmport": off, "smm": off, "hpet": off, "graphics": off,
          "dump-guest-core": on, "mem-merge": on, "nvdimm": off, "sata": off, "smbus": off,
        ], example: "\(given.spelling) q35,accel=kvm"))
    guard let type = list["type"] else { return }
    let isKnown =
      ["q35", "pc", "microvm"].contains(type)
      || ["pc-q35-", "pc-i440fx-"].contains { type.hasPrefix($0) }
    guard isKnown else {
      throw given.error(
        "swiftvm has one machine, for which q35, pc and microvm may stand",
        "leave \(given.spelling) out")
    }
  }

  // MARK: The end

  private enum PanicAction: String, CaseIterable {
    case none, pause, shutdown
    case exitFailure = "exit-failure"
  }

  private enum RebootAction: String, CaseIterable { case reset, shutdown }

  static func actions(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    let list = try given.list(
      .init(
        optional: ["panic", "reboot"],
        fixed: ["shutdown": .init(["poweroff"]), "watchdog": .init([], "there is no watchdog")],
        example:
          "\(given.spelling) panic=none|pause|shutdown|exit-failure,reboot=reset|shutdown"))
    if let panic: PanicAction = try list.choice("panic") {
      reader.request.machine.panicPolicy =
        switch panic {
        case .none: .proceed
        case .pause: .pause
        case .shutdown, .exitFailure: .exit
        }
    }
    if let reboot: RebootAction = try list.choice("reboot") {
      reader.request.machine.resetPolicy = reboot == .reset ? .reboot : .exit
    }
  }

  static func onSIGTERM(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    switch given.value {
    case "end": reader.request.powerDownSeconds = nil
    case "powerdown": reader.request.powerDownSeconds = 60
    case let value where value.utf8.starts(with: "powerdown,".utf8):
      reader.request.powerDownSeconds = try seconds(value.dropFirst(10), given)
    default:
      throw given.error("there is no such action", "give powerdown, powerdown,SECONDS or end")
    }
  }

  static func linger(_ reader: inout RunReader, _ given: GivenOption) throws(UsageError) {
    reader.request.machine.lingerLimit = try seconds(given.value[...], given)
  }

  /// A number of seconds, of a day at most.
  private static func seconds(
    _ text: Substring, _ given: GivenOption
  ) throws(UsageError) -> Int {
    guard ValueKind.isDigits(text), let seconds = Int(text), seconds <= 86400 else {
      throw given.error("this is not a number of seconds", "give 0 to 86400")
    }
    return seconds
  }
}

extension GivenOption {
  /// Refuses every value but these, which request what swiftvm does in any case.
  func expect(_ values: [String], _ remedy: String) throws(UsageError) {
    guard values.contains(value) else { throw error("this is not supported", remedy) }
  }
}
