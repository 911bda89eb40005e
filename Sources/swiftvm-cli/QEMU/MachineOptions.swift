import Host
import SwiftVM

// The values of options that are about the machine as a whole.

extension GivenOption {
  // MARK: Sizes and names

  var memorySize: UInt64 {
    get throws(UsageError) {
      let size: String
      if value.contains("=") || value.contains(",") {
        let list = try list(
          .init(
            implied: "size", fixed: ["slots": .init(["0"]), "maxmem": .init([])],
            example: "\(spelling) 512M"))
        guard let given = list["size"] else { throw error("the size is missing", "give size=512M") }
        size = given
      } else {
        size = value
      }
      do throws(ByteCount.ParseError) { return try ByteCount.parse(size) } catch {
        let (problem, remedy) =
          switch error {
          case .malformed:
            ("this is not a size", "give a number with K, M or G, e.g. \(spelling) 512M")
          case .tooLarge: ("no machine has so much memory", "give e.g. \(spelling) 512M")
          }
        throw self.error(problem, remedy)
      }
    }
  }

  var cpuCount: Int {
    get throws(UsageError) {
      guard value.contains("=") || value.contains(",") else { return try wholeNumber(value) }
      let keys = ["cpus", "maxcpus", "sockets", "cores", "threads", "dies"]
      let list = try list(
        .init(optional: Array(keys.dropFirst()), implied: "cpus", example: "\(spelling) 2"))
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
      return try count(numbers[0], most: numbers[1], sockets: numbers[2], cores: numbers[3])
    }
  }

  /// How many CPUs these are, by QEMU's rule for what is not given.
  private func count(
    _ given: Int?, most: Int?, sockets: Int?, cores: Int?
  ) throws(UsageError) -> Int {
    let total = given ?? most
    let sockets = sockets ?? cores.map { (total ?? $0) / $0 } ?? 1
    let cores = cores ?? (total ?? sockets) / sockets
    let (whole, overflow) = sockets.multipliedReportingOverflow(by: cores)
    let product = overflow ? Int.max : whole
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

  private func wholeNumber(_ text: String) throws(UsageError) -> Int {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      throw error("this is not a whole number", "give e.g. \(spelling) 2")
    }
    guard let count = Int(text) else {
      throw error("no machine has so many CPUs", "give e.g. \(spelling) 2")
    }
    return count
  }

  var machineName: String {
    get throws(UsageError) {
      let list = try list(
        .init(
          implied: "guest",
          fixed: [
            "debug-threads": .init(["on"], "leave it out; threads have names anyway"),
            "process": .init([], "leave it out; exec -a gives a process another name"),
          ], example: "\(spelling) NAME"))
      guard let name = list["guest"] else { throw error("the name is missing", "give guest=NAME") }
      return name
    }
  }

  // MARK: The machine

  func checkMachine() throws(UsageError) {
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
        ], example: "\(spelling) q35,accel=kvm"))
    guard let type = list["type"] else { return }
    let isKnown =
      ["q35", "pc", "microvm"].contains(type)
      || ["pc-q35-", "pc-i440fx-"].contains { type.hasPrefix($0) }
    guard isKnown else {
      throw error(
        "swiftvm has one machine, for which q35, pc and microvm may stand",
        "leave \(spelling) out")
    }
  }

  // MARK: Strings for the guest

  var oemStrings: [String] {
    get throws(UsageError) {
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

  func readActions(into request: inout RunRequest) throws(UsageError) {
    let list = try list(
      .init(
        optional: ["panic", "reboot"],
        fixed: ["shutdown": .init(["poweroff"]), "watchdog": .init([], "there is no watchdog")],
        example: "\(spelling) panic=none|pause|shutdown|exit-failure,reboot=reset|shutdown"))
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
