/// The machine's 16550 UART at I/O port 0x3F8.
public struct SerialPortConfiguration: Equatable, Sendable {
  /// The host end.
  public var attachment: SerialPortAttachment

  /// Makes a serial port with this host end.
  public init(attachment: SerialPortAttachment) {
    self.attachment = attachment
  }

  /// What the host end is called: QEMU's name where the user gave it none.
  var label: String { attachment.id ?? "serial0" }
}
