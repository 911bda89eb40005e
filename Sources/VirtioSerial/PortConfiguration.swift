/// One port of a virtio-serial device, as the user asked for it.
package struct PortConfiguration: Equatable, Sendable {
  /// What the guest finds it by, under /dev/virtio-ports; empty for none.
  package let name: String
  /// Whether the guest uses it as a terminal (hvcN) rather than as a channel.
  package let isConsole: Bool

  package init(name: String, isConsole: Bool = false) {
    self.name = name
    self.isConsole = isConsole
  }
}
