/// The encodings of the ACPI machine language used here (ACPI 6.5, 20.2), each as bytes.
///
/// Arguments are the programmer's, never the user's: names are well-formed paths, lists short.
package enum AML {
  /// Name: a path of segments of up to four characters, as in `\_SB.PCI0`.
  static func path(_ text: String) -> [UInt8] {
    let isAbsolute = text.hasPrefix("\\")
    let segments = text.utf8.drop { $0 == UInt8(ascii: "\\") }.split(separator: UInt8(ascii: "."))
    var bytes: [UInt8] = isAbsolute ? [0x5c] : []
    switch segments.count {
    case 0: bytes.append(0x00)
    case 1: break
    case 2: bytes.append(0x2e)
    default: bytes += [0x2f, UInt8(truncatingIfNeeded: segments.count)]
    }
    for segment in segments {
      let padded = Array(segment) + Array(repeating: UInt8(ascii: "_"), count: 4)
      bytes += padded.prefix(4)
    }
    return bytes
  }

  /// The length of `content`, less than 256 MiB, and of the length itself.
  package static func packageLength(of content: [UInt8]) -> [UInt8] {
    if content.count + 1 <= 0x3f { return [UInt8(content.count + 1)] }
    let more = content.count + 2 <= 0xfff ? 1 : content.count + 3 <= 0xf_ffff ? 2 : 3
    let length = content.count + 1 + more
    var bytes = [UInt8(more << 6 | length & 0xf)]
    for index in 0..<more { bytes.append(UInt8(truncatingIfNeeded: length >> (4 + 8 * index))) }
    return bytes
  }

  /// An integer in its shortest form.
  package static func integer(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    switch value {
    case 0: bytes = [0x00]
    case 1: bytes = [0x01]
    case ...0xff: bytes = [0x0a, UInt8(value)]
    case ...0xffff:
      bytes = [0x0b]
      bytes.append(little: UInt16(value))
    case ...0xffff_ffff:
      bytes = [0x0c]
      bytes.append(little: UInt32(value))
    default:
      bytes = [0x0e]
      bytes.append(little: value)
    }
    return bytes
  }

  /// A string of ASCII characters.
  static func string(_ text: String) -> [UInt8] { [0x0d] + Array(text.utf8) + [0] }

  /// A Plug and Play id such as PNP0A08: three letters in five bits each, four hexadecimal digits.
  static func eisaID(_ text: String) -> [UInt8] {
    let letters = text.utf8.prefix(3).reduce(UInt32(0)) { $0 << 5 | UInt32($1 & 0x1f) }
    let digits = UInt32(text.dropFirst(3), radix: 16) ?? 0
    var bytes: [UInt8] = [0x0c]
    bytes.append(little: (letters << 16 | digits).byteSwapped)
    return bytes
  }

  /// `Name (name, value)`.
  static func name(_ name: String, _ value: [UInt8]) -> [UInt8] { [0x08] + path(name) + value }

  /// `Package { elements }`, at most 255 of them.
  static func package(_ elements: [[UInt8]]) -> [UInt8] {
    let content = [UInt8(truncatingIfNeeded: elements.count)] + elements.joined()
    return [0x12] + packageLength(of: content) + content
  }

  /// `Buffer { bytes }`.
  static func buffer(_ bytes: [UInt8]) -> [UInt8] {
    let content = integer(UInt64(bytes.count)) + bytes
    return [0x11] + packageLength(of: content) + content
  }

  /// `Scope (name) { terms }`.
  static func scope(_ name: String, _ terms: [[UInt8]]) -> [UInt8] {
    let content = path(name) + terms.joined()
    return [0x10] + packageLength(of: content) + content
  }

  /// `Device (name) { terms }`.
  static func device(_ name: String, _ terms: [[UInt8]]) -> [UInt8] {
    let content = path(name) + terms.joined()
    return [0x5b, 0x82] + packageLength(of: content) + content
  }
}
