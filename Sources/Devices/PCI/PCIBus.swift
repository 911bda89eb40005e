import Synchronization

/// Why a function cannot be added to the bus.
package enum PCIBusError: Error, Equatable, Sendable, CustomStringConvertible {
  /// Device numbers are 0–31.
  case noSuchDevice(Int)
  /// Another function has the number.
  case occupied(Int)

  /// One line for the log.
  package var description: String {
    switch self {
    case .noSuchDevice(let device): "PCI: there is no device number \(device)"
    case .occupied(let device): "PCI: device number \(device) is taken"
    }
  }
}

/// Where in configuration space an access goes.
package struct PCIAddress: Hashable, Sendable {
  /// 0–255.
  package var bus: UInt8
  /// 0–31.
  package var device: UInt8
  /// 0–7.
  package var function: UInt8

  /// From the 16 bits both access mechanisms use: bus 15:8, device 7:3, function 2:0.
  package init(routingID: UInt16) {
    bus = UInt8(truncatingIfNeeded: routingID >> 8)
    device = UInt8(truncatingIfNeeded: routingID >> 3) & 0x1f
    function = UInt8(truncatingIfNeeded: routingID) & 0x7
  }
}

/// Bus 0: up to 32 devices of one function each.
///
/// The bus's lock is held for the look-up only. Callable on any thread.
package final class PCIBus: Sendable {
  /// How many devices fit.
  package static let deviceCount = 32

  private let functions = Mutex([(any PCIFunction)?](repeating: nil, count: deviceCount))

  /// An empty bus.
  package init() {}

  /// Puts a function at `device`.0.
  package func add(_ function: any PCIFunction, device: Int) throws(PCIBusError) {
    guard 0..<Self.deviceCount ~= device else { throw .noSuchDevice(device) }
    let isFree = functions.withLock { functions in
      guard functions[device] == nil else { return false }
      functions[device] = function
      return true
    }
    guard isFree else { throw .occupied(device) }
  }

  /// Takes the function at `device`.0 off the bus and returns it.
  @discardableResult
  package func remove(device: Int) -> (any PCIFunction)? {
    guard 0..<Self.deviceCount ~= device else { return nil }
    return functions.withLock { functions in
      defer { functions[device] = nil }
      return functions[device]
    }
  }

  /// The function at `device`.0.
  package func function(device: Int) -> (any PCIFunction)? {
    guard 0..<Self.deviceCount ~= device else { return nil }
    return functions.withLock { $0[device] }
  }

  /// Reads any width at any register; all ones where there is no function.
  package func read(_ address: PCIAddress, register: UInt64, width: Int) -> UInt64 {
    guard let function = function(address) else { return .allOnes(width: width) }
    return AccessPieces(offset: register, width: width, widest: 4).reduce(0) { value, piece in
      let register = Int(truncatingIfNeeded: piece.offset & 0xfff)
      let part = function.readConfiguration(register: register, width: piece.width)
      return value | piece.placed(UInt64(part))
    }
  }

  /// Writes any width at any register; dropped where there is no function.
  package func write(_ address: PCIAddress, register: UInt64, width: Int, value: UInt64) {
    guard let function = function(address) else { return }
    for piece in AccessPieces(offset: register, width: width, widest: 4) {
      let register = Int(truncatingIfNeeded: piece.offset & 0xfff)
      let part = UInt32(truncatingIfNeeded: piece.part(of: value))
      function.writeConfiguration(register: register, width: piece.width, value: part)
    }
  }

  private func function(_ address: PCIAddress) -> (any PCIFunction)? {
    guard address.bus == 0, address.function == 0 else { return nil }
    return function(device: Int(address.device))
  }
}
