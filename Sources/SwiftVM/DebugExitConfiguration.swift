/// QEMU's isa-debug-exit: a few I/O ports by which a guest ends the machine with a status.
public struct DebugExitConfiguration: Equatable, Sendable {
  /// The first port; QEMU's default is 0x501.
  public var firstPort: UInt16

  /// How many ports there are, at least 1; QEMU's default is 2.
  public var portCount: Int

  /// Makes a description of where the ports are.
  public init(firstPort: UInt16 = 0x501, portCount: Int = 2) {
    self.firstPort = firstPort
    self.portCount = portCount
  }

  /// The ports; meaningful once validated.
  package var ports: Range<UInt64> {
    UInt64(firstPort)..<UInt64(firstPort) + UInt64(min(max(portCount, 0), 0x2_0000))
  }
}
