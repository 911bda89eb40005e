/// The machine's 16550 UART at I/O port 0x3F8.
public struct SerialPortConfiguration: Equatable, Sendable {
  /// The host end.
  public var attachment: SerialPortAttachment

  /// Whether the CPU that prints stands still while the host end's reader is too slow; otherwise what
  /// does not fit into 1 MiB is dropped, and counted.
  public var waitsForReader: Bool

  /// Makes a serial port with this host end.
  public init(attachment: SerialPortAttachment, waitsForReader: Bool = false) {
    self.attachment = attachment
    self.waitsForReader = waitsForReader
  }

  /// What the host end is called: QEMU's name where the user gave it none.
  var label: String { attachment.id ?? "serial0" }
}
