/// One entry of a function's capability list, as it is built into configuration space.
package struct PCICapability: Equatable, Sendable {
  /// Which capability: 0x09 vendor-specific, 0x11 MSI-X.
  package var id: UInt8
  /// What follows the two bytes of identification and link.
  package var body: [UInt8]
  /// The bits of `body` the guest can write; where it is shorter, none.
  package var writable: [UInt8]

  /// Read-only unless `writable` says otherwise.
  package init(id: UInt8, body: [UInt8], writable: [UInt8] = []) {
    self.id = id
    self.body = body
    self.writable = writable
  }
}
