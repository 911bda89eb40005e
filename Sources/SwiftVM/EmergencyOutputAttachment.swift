import Chardev

/// Where a byte goes that a guest writes to `emerg_wr` of a console device's configuration space
/// (virtio 1.2, 5.3.4), at any time: before the driver is set up, and after the device has failed.
///
/// Up to 1 MiB waits for a destination that is slow; what does not fit is dropped and counted.
public enum EmergencyOutputAttachment: Equatable, Sendable {
  /// The serial console, where it has a host end; else line by line to the log, three lines a second.
  case automatic

  /// The serial console's host end.
  case serialPort

  /// A host end of its own, or one that others have, too (`isMultiplexed`). Nothing is read from it.
  case hostEnd(ChardevConfiguration)

  /// A file, created or emptied at the start.
  public static func file(path: String) -> EmergencyOutputAttachment {
    .hostEnd(.file(path: path))
  }
}
