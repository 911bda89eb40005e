import SwiftVM

/// Why a command was not carried out: what a QMP client gets as its reply's `error`.
package struct QMPError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The classes of QEMU's QapiErrorClass; the raw value goes over the wire.
  package enum Class: String, Sendable {
    /// Everything that has no class of its own.
    case generic = "GenericError"
    /// There is no such command, or it cannot be given now.
    case commandNotFound = "CommandNotFound"
    /// There is no such device.
    case deviceNotFound = "DeviceNotFound"
  }

  /// The class, for programs.
  package let errorClass: Class
  /// The text, for people; QEMU's own where it has one for the case.
  package let description: String

  package init(_ description: String, class errorClass: Class = .generic) {
    self.errorClass = errorClass
    self.description = description
  }

  /// The error as JSON; what it quotes may be as long as a message, and is cut short.
  var json: JSONValue {
    let shown = description.unicodeScalars.prefix(4096)
    let isCut = shown.endIndex < description.endIndex
    return [
      "class": .string(errorClass.rawValue),
      "desc": .string(isCut ? String(shown) + "…" : description),
    ]
  }
}

extension QMPError {
  /// A mistake in a configuration, as a client is told of it.
  init(_ error: ConfigurationError) {
    let remedy = error.remedy.spelled { path, value in
      let names = path.components.map(\.name)
      let key = PropertyWords.key(of: names, in: .shortForm) ?? names.last ?? ""
      return value.map { key + "=" + $0 } ?? key
    }
    // QEMU says whose rule it is that a port breaks, and no more.
    let isRuleOfPorts = [.portExists, .portNumberOutOfRange, .tooManyPorts].contains(error.code)
    let clauses = [error.problem.description, isRuleOfPorts ? "" : remedy].filter { !$0.isEmpty }
    self.init((isRuleOfPorts ? "virtio-serial-bus: " : "") + clauses.joined(separator: "; "))
  }
}

extension JSONValue {
  /// What a client gets for a command.
  static func reply(_ result: Result<JSONValue, QMPError>, id: JSONValue?) -> JSONValue {
    switch result {
    case .success(let value): ["return": value, "id": id]
    case .failure(let error): ["error": error.json, "id": id]
    }
  }
}
