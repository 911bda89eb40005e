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
  ///
  /// - Parameter routingID: 16 bits as both access mechanisms have them: bus 15:8, device 7:3,
  ///   function 2:0.
  package func read(_ routingID: UInt16, register: UInt64, width: Int) -> UInt64 {
    guard let function = function(routingID) else { return .allOnes(width: width) }
    return AccessPieces(offset: register, width: width, widest: 4).read { register, width in
      let register = Int(truncatingIfNeeded: register & 0xfff)
      return UInt64(function.readConfiguration(register: register, width: width))
    }
  }

  /// Writes any width at any register; dropped where there is no function.
  package func write(_ routingID: UInt16, register: UInt64, width: Int, value: UInt64) {
    guard let function = function(routingID) else { return }
    AccessPieces(offset: register, width: width, widest: 4).write(value) { register, width, value in
      function.writeConfiguration(
        register: Int(truncatingIfNeeded: register & 0xfff), width: width,
        value: UInt32(truncatingIfNeeded: value))
    }
  }

  private func function(_ routingID: UInt16) -> (any PCIFunction)? {
    routingID & 0xff07 == 0 ? function(device: Int(routingID >> 3)) : nil
  }
}

/// One function on the PCI bus, as the bus sees it: its configuration space.
///
/// Called on vCPU threads, several at once; an implementation has its own lock.
package protocol PCIFunction: AnyObject, Sendable {
  /// Reads `width` (1, 2 or 4) bytes at `register` (0–4095), naturally aligned.
  func readConfiguration(register: Int, width: Int) -> UInt32
  /// Writes `width` (1, 2 or 4) bytes at `register` (0–4095), naturally aligned.
  func writeConfiguration(register: Int, width: Int, value: UInt32)
  /// Its configuration header as it is now.
  var header: PCIFunctionState { get }
}

/// Device 0, without any work: Linux trusts configuration mechanism #1 only if it finds a host
/// bridge.
package final class HostBridge: PCIFunction {
  private let configuration = Mutex(
    ConfigurationSpace(PCIIdentity(vendor: 0x8086, device: 0x0d57, classCode: 0x060000)))

  /// A bridge to be put at device 0.
  package init() {}

  /// Reads its configuration header.
  package func readConfiguration(register: Int, width: Int) -> UInt32 {
    configuration.withLock { $0.read(register: register, width: width) }
  }

  /// Its configuration header.
  package var header: PCIFunctionState { configuration.withLock { $0.state() } }

  /// Writes its configuration header.
  package func writeConfiguration(register: Int, width: Int, value: UInt32) {
    configuration.withLock { $0.write(register: register, width: width, value: value) }
  }
}
