/// One port of a virtio-serial device: what the guest sees, and what it is connected to.
public struct VirtioConsolePortConfiguration: Equatable, Sendable {
  /// The most bytes of a name: it becomes a file name in the guest (Linux's `NAME_MAX`).
  public static let maximumNameLength = 255

  /// The name the guest finds the port by: `/dev/virtio-ports/NAME`. A console port may go without.
  public var name: String?

  /// Whether the guest shall treat the port as a console (`/dev/hvcN`).
  public var isConsole: Bool

  /// The host end.
  public var attachment: SerialPortAttachment

  /// Makes a port of its name, its use and its host end.
  public init(name: String?, isConsole: Bool = false, attachment: SerialPortAttachment) {
    self.name = name
    self.isConsole = isConsole
    self.attachment = attachment
  }
}
