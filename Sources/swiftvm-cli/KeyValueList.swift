import SwiftVM

/// A value of the form `key=value,key=value`, QEMU's way: a comma inside a value is written twice.
struct KeyValueList {
  private var values: [String: String] = [:]

  /// Reads a list whose keys must be among `keys`, each given once and none with an empty value.
  ///
  /// - Parameters:
  ///   - text: the list.
  ///   - option: the option it belongs to.
  ///   - keys: what is allowed.
  ///   - example: how the whole value should look, for the remedy.
  init(
    _ text: String, option: String, keys: [String], example: String
  ) throws(ConfigurationError) {
    func error(_ problem: String, _ remedy: String? = nil) -> ConfigurationError {
      ConfigurationError(
        option: option, value: text, problem: problem, remedy: remedy ?? "give " + example)
    }
    for item in Self.items(of: text) {
      guard !item.isEmpty else { throw error("a key is missing before or after a comma") }
      guard let equals = item.firstIndex(of: UInt8(ascii: "=")) else {
        throw error("\(PlainText.quoted(String(decoding: item, as: UTF8.self))) is not key=value")
      }
      let key = String(decoding: item[..<equals], as: UTF8.self)
      let value = String(decoding: item[(equals + 1)...], as: UTF8.self)
      guard keys.contains(key) else {
        let nearest = NearestWord.to(key, among: keys)
        throw error(
          "unknown key \(PlainText.quoted(key))",
          nearest.map { "did you mean \"\($0)\"?" })
      }
      guard !value.isEmpty else { throw error("the value of \"\(key)\" is empty") }
      guard values.updateValue(value, forKey: key) == nil else {
        throw error("the key \"\(key)\" is given twice", "give it once")
      }
    }
    for key in keys where values[key] == nil {
      throw error("the key \"\(key)\" is missing")
    }
  }

  /// The value of a key among `keys`.
  subscript(key: String) -> String { values[key] ?? "" }

  /// Splits at single commas and makes double ones single. On bytes: to a `Character`, a comma
  /// under a combining mark is another letter.
  private static func items(of text: String) -> [[UInt8]] {
    let comma = UInt8(ascii: ",")
    let bytes = Array(text.utf8)
    var items: [[UInt8]] = []
    var item: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] != comma {
        item.append(bytes[index])
      } else if index + 1 < bytes.count, bytes[index + 1] == comma {
        item.append(comma)
        index += 1
      } else {
        items.append(item)
        item = []
      }
      index += 1
    }
    return items + [item]
  }
}
