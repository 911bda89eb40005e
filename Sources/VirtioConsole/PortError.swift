/// Why a port cannot be added or removed. The texts are QEMU's where it has one.
package enum PortError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Number 0 is asked for by a port that is no console.
  case numberReserved
  /// Another port has this number.
  case numberTaken(UInt32)
  /// The number is not below the device's maximum; the largest allowed is given.
  case numberOutOfRange(maximum: UInt32)
  /// Every number the device has is taken.
  case noFreeNumber
  /// Another port has this name.
  case nameTaken(String)
  /// There is no port of this number to remove.
  case noSuchPort(UInt32)

  package var description: String {
    switch self {
    case .numberReserved:
      "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward compatibility."
    case .numberTaken(let number): "A port already exists at id \(number)"
    case .numberOutOfRange(let maximum):
      "Out-of-range port id specified, max. allowed: \(maximum)"
    case .noFreeNumber: "Maximum port limit for this device reached"
    case .nameTaken(let name): "A port already exists by name \(name)"
    case .noSuchPort(let number): "No port exists at id \(number)"
    }
  }
}
