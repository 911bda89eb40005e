/// What tells a kernel that devices on the PCI bus come and go, by ACPI: a device object for each
/// slot, and the handler of the event that something is to be looked at (ACPI 6.5, 5.6.4, 6.3).
///
/// Only where that may happen: Linux prints a line for each slot. Its acpiphp and Windows take it, for
/// any PCI function and without a bridge for each slot, as PCI Express' own hot-plugging would need.
enum HotPlugSlots {
  private enum Notification {
    static let deviceCheck: UInt64 = 1
    static let ejectRequest: UInt64 = 3
  }

  private static let filled = "PCIU"
  private static let toBeEmptied = "PCID"
  private static let eject = "PCEJ"
  private static let check = "PCNT"

  /// For the host bridge's object: the registers, the slots, and the method that looks at them all.
  static let terms: [[UInt8]] =
    [
      AML.portRegion("HPIO", AddressMap.hotPlugSlots),
      AML.registers([filled, toBeEmptied, eject], in: "HPIO"),
    ] + AddressMap.hotPlugSlotNumbers.map(slot) + [
      AML.method(
        check,
        look(at: filled, for: Notification.deviceCheck)
          + look(at: toBeEmptied, for: Notification.ejectRequest))
    ]

  /// The handler of the event, edge-triggered.
  static let eventHandler = AML.scope(
    "\\_GPE",
    [AML.method("_E0\(AddressMap.hotPlugEvent)", [AML.path("\\_SB.PCI0." + check)])])

  private static func name(of slot: Int) -> String {
    "S" + (slot < 16 ? "0" : "") + String(slot, radix: 16, uppercase: true)
  }

  private static func slot(_ number: Int) -> [UInt8] {
    AML.device(
      name(of: number),
      [
        AML.name("_ADR", AML.integer(UInt64(number) << 16)),
        AML.name("_SUN", AML.integer(UInt64(number))),
        AML.method(
          "_EJ0", argumentCount: 1,
          [AML.store(AML.integer(1 << UInt64(number)), in: AML.path(eject))]),
      ])
  }

  private static func look(at register: String, for notification: UInt64) -> [[UInt8]] {
    [AML.store(AML.path(register), in: AML.local0)]
      + AddressMap.hotPlugSlotNumbers.map { number in
        AML.ifAny(
          of: 1 << UInt64(number), in: AML.local0, [AML.notify(name(of: number), notification)])
      }
  }
}
