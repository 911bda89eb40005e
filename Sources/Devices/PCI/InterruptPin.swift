/// A function's INTx pin: asserted while the device has an interrupt waiting, unless the command
/// register's interrupt disable bit is set.
///
/// A value without a lock: it lives under its function's, and drives its line with that lock held,
/// so that levels reach the line in order.
package struct InterruptPin: Sendable {
  /// Whether the device has an interrupt waiting.
  package var isAsserted = false { didSet { update() } }
  /// The command register's interrupt disable bit.
  package var isDisabled = false { didSet { update() } }

  private var level = false
  private let line: any InterruptLine

  /// A pin that is not asserted.
  package init(line: any InterruptLine) {
    self.line = line
  }

  private mutating func update() {
    let wanted = isAsserted && !isDisabled
    guard wanted != level else { return }
    level = wanted
    line.setLevel(wanted)
  }
}
