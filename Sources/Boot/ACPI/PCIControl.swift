/// Who of the guest and the firmware controls what of PCI Express: the host bridge's `_OSC` method (PCI
/// Firmware 3.3, 4.5.1; ACPI 6.5, 6.2.11).
///
/// The guest may have all but hot-plugging, which ACPI does here (`HotPlugSlots`).
enum PCIControl {
  private enum Status {
    static let unknownUUID: UInt64 = 1 << 2
    static let bitsMasked: UInt64 = 1 << 4
  }

  /// Native hot-plugging and that of the Standard Hot-Plug Controller.
  private static let kept: UInt64 = 0b11
  /// 33DB4D5B-1FF7-401C-9657-7441C03DD766, the PCI host bridge's.
  private static let uuid: [UInt8] = [
    0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66,
  ]

  /// Arguments: a UUID, a revision, a count, and a buffer of double words: status, support, control.
  /// The answer is the buffer, less the control that is refused.
  static let method: [UInt8] = {
    let status = AML.path("CDW1")
    let control = AML.path("CDW3")
    return AML.method(
      "_OSC", argumentCount: 4, isSerialized: true,
      [
        AML.doubleWordField("CDW1", of: AML.argument(3), at: 0),
        AML.ifEqual(
          AML.argument(0), AML.buffer(uuid),
          [
            AML.doubleWordField("CDW3", of: AML.argument(3), at: 8),
            AML.ifAny(of: kept, in: control, [AML.setBits(Status.bitsMasked, in: status)]),
            AML.clearBits(kept, in: control),
          ]),
        AML.otherwise([AML.setBits(Status.unknownUUID, in: status)]),
        AML.returning(AML.argument(3)),
      ])
  }()
}
