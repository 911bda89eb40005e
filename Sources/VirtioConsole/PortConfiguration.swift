/// One port of a virtio-serial device, as the user asked for it.
package struct PortConfiguration: Equatable, Sendable {
  /// What the user calls it; empty for one that has no name.
  package var id: String
  /// The port's number; nil for the lowest free one (for the first console: 0).
  package var number: UInt32?
  /// What the guest finds it by, under /dev/virtio-ports; empty for none.
  package var name: String
  /// Whether the guest uses it as a terminal (hvcN) rather than as a channel.
  package var isConsole: Bool
  /// What becomes of bytes when one side is away.
  package var policy: PortPolicy

  package init(
    id: String = "", number: UInt32? = nil, name: String, isConsole: Bool = false,
    policy: PortPolicy = PortPolicy()
  ) {
    self.id = id
    self.number = number
    self.name = name
    self.isConsole = isConsole
    self.policy = policy
  }
}
