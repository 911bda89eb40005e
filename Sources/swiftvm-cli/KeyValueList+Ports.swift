import SwiftVM

// Keys of ports and devices that several options have.

extension KeyValueList {
  /// What every port may have.
  static let portKeys = ["id", "bus", "nr", "weight"]
  /// What a channel may have besides.
  static let channelPolicyKeys = ["on-host-close", "early", "on-guest-close", "drain", "gap"]
  /// What a console may have besides.
  static let consolePolicyKeys = ["overflow"]

  /// The port that the list describes, its host end apart.
  ///
  /// - Parameter standard: what becomes of bytes where the list does not say.
  func port(
    isConsole: Bool, attachment: ChardevConfiguration,
    standard: VirtioConsolePortPolicy = VirtioConsolePortPolicy()
  ) throws(ConfigurationError) -> RunRequest.Port {
    var policy = standard
    if let onHostClose: VirtioConsolePortPolicy.OnHostClose = try choice("on-host-close") {
      policy.onHostClose = onHostClose
      if onHostClose == .keep { policy.drainMilliseconds = 0 }
    } else if self["drain"] != nil {
      policy.onHostClose = .discard
    }
    policy.drainMilliseconds = try number("drain") ?? policy.drainMilliseconds
    policy.gapMilliseconds = try number("gap") ?? policy.gapMilliseconds
    policy.early = try choice("early") ?? policy.early
    policy.onGuestClose = try choice("on-guest-close") ?? policy.onGuestClose
    policy.overflow = try choice("overflow") ?? policy.overflow
    policy.weight = try number("weight") ?? policy.weight
    return RunRequest.Port(
      bus: self["bus"],
      configuration: VirtioConsolePortConfiguration(
        id: self["id"], number: try number("nr"), name: self["name"], isConsole: isConsole,
        attachment: attachment, policy: policy))
  }

  /// Which drivers a PCI device is for. Legacy is off, unless it is all that is left.
  func interface(
    disablesLegacy: Bool?, disablesModern: Bool?
  ) throws(ConfigurationError) -> VirtioConsoleTransport.PCIInterface {
    let hasModern = !(disablesModern ?? false)
    let hasLegacy = !(disablesLegacy ?? hasModern)
    switch (hasModern, hasLegacy) {
    case (true, false): return .modern
    case (true, true): return .transitional
    case (false, true): return .legacy
    case (false, false):
      throw error(
        "device cannot work as neither modern nor legacy mode is enabled",
        "set either disable-modern or disable-legacy to off")
    }
  }

  /// A slot of the PCI bus as QEMU writes it: in hexadecimal, perhaps with the function after a dot.
  func slot(_ key: String) throws(ConfigurationError) -> Int? {
    guard let value = self[key] else { return nil }
    let digits = value.hasPrefix("0x") ? value.dropFirst(2) : value[...]
    let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { part in
      part.utf8.first.map { $0 >= UInt8(ascii: "0") } == true ? Int(part, radix: 16) : nil
    }
    guard numbers.count == parts.count, parts.count <= 2, let slot = numbers.first,
      slot < 32, parts.count == 1 || numbers[1] < 8
    else {
      throw error(
        "Property 'addr' doesn't take value '\(PlainText.shortened(value))'",
        "give addr= from 0x1 to 0x1f")
    }
    guard parts.count == 1 || numbers[1] == 0 else {
      throw error("every device has a slot of its own, with one function", "give another slot")
    }
    return slot
  }
}
