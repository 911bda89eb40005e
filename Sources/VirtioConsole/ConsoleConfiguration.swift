/// The console device's configuration space (virtio 1.2, 5.3.4): le16 cols, le16 rows,
/// le32 max_nr_ports, le32 emerg_wr.
struct ConsoleConfiguration {
  /// Length in bytes.
  static let length = 12
  /// Offset of emerg_wr.
  static let emergencyWriteOffset = 8

  /// Port 0's, or what a terminal is taken to have until one is attached.
  var size = ConsoleSize(columns: 80, rows: 24) {
    didSet { if size != oldValue { changes &+= 1 } }
  }
  /// How often it has changed.
  private(set) var changes: UInt64 = 0
  let maximumPorts: UInt32

  init(maximumPorts: UInt32) { self.maximumPorts = maximumPorts }

  /// The byte at `offset`; zero for emerg_wr, which is only written.
  func byte(at offset: Int) -> UInt8 {
    let fields = UInt64(size.columns) | UInt64(size.rows) << 16 | UInt64(maximumPorts) << 32
    return offset < 8 ? UInt8(truncatingIfNeeded: fields >> UInt64(8 * offset)) : 0
  }
}
