/// The region of one base address register as it stands in an address space, kept where the
/// guest's configuration writes put it.
///
/// A value without a lock: it lives under its function's.
package struct BaseAddressWindow: Sendable {
  /// The register that places the region.
  package let bar: BaseAddressRegister
  /// Where the guest has put the region; nil while it is not decoded.
  package private(set) var range: Range<UInt64>?

  private let space: AddressSpace
  private let device: any AddressSpaceDevice

  /// - Parameters:
  ///   - space: memory, or ports for an I/O register.
  ///   - device: what answers in the region.
  package init(
    _ bar: BaseAddressRegister, in space: AddressSpace, device: any AddressSpaceDevice
  ) {
    self.bar = bar
    self.space = space
    self.device = device
  }

  /// Follows the configuration space; to be called after each write to it. Returns whether the
  /// region has moved, appeared or gone.
  @discardableResult
  package mutating func update(from configuration: ConfigurationSpace) -> Bool {
    move(to: configuration.decodedRange(of: bar))
  }

  /// Takes the region out of the space, for a device that is unplugged.
  package mutating func close() {
    move(to: nil)
  }

  @discardableResult
  private mutating func move(to new: Range<UInt64>?) -> Bool {
    guard new != range else { return false }
    space.move(device, from: range, to: new)
    range = new
    return true
  }
}
