/// Reads AML back: only what a DSDT of ours may contain, and every length checked.
struct AMLReader {
  indirect enum Value: Equatable {
    case integer(UInt64)
    case package([Value])
    case buffer([UInt8])
    case string(String)
  }

  struct Malformed: Error, CustomStringConvertible {
    let description: String
  }

  /// Ports that the code reaches.
  struct PortRegion: Equatable {
    let ports: Range<UInt64>
    /// The registers in it, in order, and the bits of each.
    var fields: [String: UInt64] = [:]
  }

  /// Values of all names, by absolute path.
  private(set) var names: [String: Value] = [:]
  /// The bytes of all methods, their flags first, by absolute path.
  private(set) var methods: [String: [UInt8]] = [:]
  private(set) var regions: [String: PortRegion] = [:]
  private let code: [UInt8]
  private var position = 0

  init(_ code: [UInt8]) throws {
    self.code = code
    try readTerms(until: code.count, scope: "")
  }

  private mutating func readTerms(until end: Int, scope: String) throws {
    while position < end {
      switch try next(before: end) {
      case 0x08:
        let path = try readPath(scope, end)
        guard names.updateValue(try readValue(end), forKey: path) == nil else {
          throw Malformed(description: "\(path) defined twice")
        }
      case 0x10: try readBlock(end, scope)
      case 0x14:
        let methodEnd = try readPackageEnd(end)
        let path = try readPath(scope, methodEnd)
        methods[path] = Array(code[position..<methodEnd])
        position = methodEnd
      case 0x5b:
        switch try next(before: end) {
        case 0x80: try readRegion(end, scope)
        case 0x81: try readFields(end, scope)
        case 0x82: try readBlock(end, scope)
        default: throw malformed("extended opcode")
        }
      default: throw malformed("opcode")
      }
    }
  }

  private mutating func readBlock(_ end: Int, _ scope: String) throws {
    let blockEnd = try readPackageEnd(end)
    let path = try readPath(scope, blockEnd)
    try readTerms(until: blockEnd, scope: path)
    guard position == blockEnd else { throw malformed("end of \(path)") }
  }

  private mutating func readRegion(_ end: Int, _ scope: String) throws {
    let path = try readPath(scope, end)
    guard try next(before: end) == 1, case .integer(let start) = try readValue(end),
      case .integer(let count) = try readValue(end)
    else { throw malformed("region") }
    regions[path] = PortRegion(ports: start..<(start + count))
  }

  /// Double-word access, no lock, other bits written as zeros.
  private mutating func readFields(_ end: Int, _ scope: String) throws {
    let fieldsEnd = try readPackageEnd(end)
    let region = try readPath(scope, fieldsEnd)
    guard try next(before: fieldsEnd) == 0x43 else { throw malformed("field flags") }
    while position < fieldsEnd {
      let name = try readPath(scope, fieldsEnd)
      let bits = UInt64(try next(before: fieldsEnd))
      regions[region]?.fields[name] = bits
    }
  }

  private mutating func readValue(_ end: Int) throws -> Value {
    switch try next(before: end) {
    case 0x00: return .integer(0)
    case 0x01: return .integer(1)
    case 0x0a: return .integer(try readInteger(1, end))
    case 0x0b: return .integer(try readInteger(2, end))
    case 0x0c: return .integer(try readInteger(4, end))
    case 0x0d: return .string(try readString(end))
    case 0x0e: return .integer(try readInteger(8, end))
    case 0x11:
      let bufferEnd = try readPackageEnd(end)
      guard case .integer(let size) = try readValue(bufferEnd),
        size == UInt64(bufferEnd - position)
      else { throw malformed("buffer size") }
      defer { position = bufferEnd }
      return .buffer(Array(code[position..<bufferEnd]))
    case 0x12:
      let packageEnd = try readPackageEnd(end)
      let count = try next(before: packageEnd)
      var elements: [Value] = []
      for _ in 0..<count { elements.append(try readValue(packageEnd)) }
      guard position == packageEnd else { throw malformed("package end") }
      return .package(elements)
    default: throw malformed("data object")
    }
  }

  private mutating func readPackageEnd(_ end: Int) throws -> Int {
    let start = position
    let lead = try next(before: end)
    let more = Int(lead >> 6)
    var length = Int(lead & (more == 0 ? 0x3f : 0x0f))
    for index in 0..<more { length |= Int(try next(before: end)) << (4 + 8 * index) }
    guard start + length <= end, start + length >= position else { throw malformed("length") }
    return start + length
  }

  private mutating func readPath(_ scope: String, _ end: Int) throws -> String {
    var byte = try next(before: end)
    var path = scope
    if byte == 0x5c {
      path = ""
      byte = try next(before: end)
    }
    var count = 1
    if byte == 0x2e {
      count = 2
      byte = try next(before: end)
    } else if byte == 0x2f {
      count = Int(try next(before: end))
      byte = try next(before: end)
    }
    for segment in 0..<count {
      if segment > 0 { byte = try next(before: end) }
      let name = [byte, try next(before: end), try next(before: end), try next(before: end)]
      guard name.allSatisfy({ "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_".utf8.contains($0) }) else {
        throw malformed("name")
      }
      path += "." + String(decoding: name, as: UTF8.self)
    }
    return path
  }

  private mutating func readString(_ end: Int) throws -> String {
    var text: [UInt8] = []
    while case let byte = try next(before: end), byte != 0 { text.append(byte) }
    return String(decoding: text, as: UTF8.self)
  }

  private mutating func readInteger(_ size: Int, _ end: Int) throws -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<size { value |= UInt64(try next(before: end)) << UInt64(8 * index) }
    return value
  }

  private mutating func next(before end: Int) throws -> UInt8 {
    guard position < min(end, code.count) else { throw malformed("end") }
    defer { position += 1 }
    return code[position]
  }

  private func malformed(_ what: String) -> Malformed {
    Malformed(description: "\(what) at \(position)")
  }
}
