/// One port of a virtio-serial device: what the guest sees, and what it is connected to.
public struct VirtioConsolePortConfiguration: Equatable, Sendable {
  /// The most bytes of a name: it becomes a file name in the guest (Linux's `NAME_MAX`).
  public static let maximumNameLength = 255

  /// What the port is called on the host, for `VirtualMachine.removePort` and in reports: a letter,
  /// then letters, digits, `-`, `.` and `_`.
  public var id: String?

  /// The port's number, which in a Linux guest is the second one in `/dev/vportNpNUMBER`; nil for one
  /// that is free. 0 is for a console.
  public var number: Int?

  /// The name the guest finds the port by: `/dev/virtio-ports/NAME`; nil for one that is known by
  /// its number alone.
  public var name: String?

  /// Whether the guest shall treat the port as a console (`/dev/hvcN`).
  public var isConsole: Bool

  /// The host end.
  public var attachment: SerialPortAttachment

  /// What becomes of bytes when one side is away.
  public var policy: VirtioConsolePortPolicy

  /// Makes a port of its name, its use and its host end.
  public init(
    id: String? = nil, number: Int? = nil, name: String?, isConsole: Bool = false,
    attachment: SerialPortAttachment, policy: VirtioConsolePortPolicy = VirtioConsolePortPolicy()
  ) {
    self.id = id
    self.number = number
    self.name = name
    self.isConsole = isConsole
    self.attachment = attachment
    self.policy = policy
  }
}
