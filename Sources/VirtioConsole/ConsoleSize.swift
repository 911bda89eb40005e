/// The size of a terminal in characters.
struct ConsoleSize: Equatable {
  var columns: UInt16
  var rows: UInt16

  /// The payload of RESIZE.
  func payload(_ order: ResizeOrder) -> [UInt8] {
    let fields = order == .specification ? [columns, rows] : [rows, columns]
    return fields.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
  }
}

/// In which order a RESIZE message names the two measures. Nothing a driver says tells which one it
/// reads, so the user has to know the guest's kernel.
public enum ResizeOrder: String, CaseIterable, Sendable {
  /// Columns, then rows: the specification (virtio 1.2, 5.3.6.2) and Linux since its commit
  /// 5326ab737a47 of 2025, which stable kernels have taken up. The default, since it is right by
  /// the text and for every kernel to come.
  case specification = "spec"
  /// Rows, then columns: Linux before that commit.
  case legacy
}
