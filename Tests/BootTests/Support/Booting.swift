import Boot
import Testing

let mebibyte: UInt64 = 1 << 20
let gibibyte: UInt64 = 1 << 30

extension ImageBytes {
  /// A file that is in memory.
  init(_ file: [UInt8]) {
    self.init(count: file.count) { offset, buffer in
      buffer.copyBytes(from: file[offset..<(offset + buffer.count)])
      return true
    }
  }
}

func kernelImage(_ file: [UInt8]) throws -> KernelImage {
  try KernelImage(parsing: ImageBytes(file))
}

func bootPlan(
  _ file: [UInt8], memory: UInt64 = 64 * mebibyte, cpus: Int = 1, commandLine: String = "",
  initrd: UInt64? = nil
) throws -> BootPlan {
  let request = BootRequest(
    memorySize: memory, cpuCount: cpus, commandLine: commandLine, initrdSize: initrd,
    pci64Window: (64 * gibibyte)..<(128 * gibibyte))
  return try BootPlan(kernel: ImageBytes(file), request: request)
}

/// Guest memory as a plan leaves it.
struct GuestImage {
  private var pieces: [(address: UInt64, bytes: [UInt8])] = []
  /// Where the initrd is placed.
  private(set) var initrd: UInt64?

  init(_ plan: BootPlan, kernel: [UInt8]) {
    for placement in plan.placements {
      switch placement.source {
      case .bytes(let bytes): pieces.append((placement.address, bytes))
      case .kernelFile(let range): pieces.append((placement.address, Array(kernel[range])))
      case .initrdFile: initrd = placement.address
      }
    }
  }

  /// Zero where nothing is placed.
  func bytes(at address: UInt64, count: Int) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    let wanted = address..<(address + UInt64(count))
    for piece in pieces {
      let present = (piece.address..<(piece.address + UInt64(piece.bytes.count)))
      let common = wanted.clamped(to: present)
      guard !common.isEmpty else { continue }
      let source = Int(common.lowerBound - piece.address)
      let target = Int(common.lowerBound - address)
      result.replaceSubrange(
        target..<(target + common.count), with: piece.bytes[source..<(source + common.count)])
    }
    return result
  }

  func integer<Value: FixedWidthInteger>(_: Value.Type, at address: UInt64) -> Value {
    bytes(at: address, count: MemoryLayout<Value>.size).integer(Value.self, at: 0)
  }
}
