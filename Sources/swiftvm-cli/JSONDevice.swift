import Control
import SwiftVM

/// The JSON form of QEMU's `-device`, which libvirt gives: `{"driver":"virtserialport","nr":1}`.
enum JSONDevice {
  /// Whether a value is in this form.
  static func isMeant(_ value: String) -> Bool { value.utf8.first == UInt8(ascii: "{") }

  /// The same as a list of keys and values.
  static func list(_ value: String) throws(ConfigurationError) -> String {
    func error(_ problem: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.device, value: value, problem: problem,
        remedy: #"give {"driver":"virtserialport","name":"NAME","chardev":"ID"}"#)
    }
    let object: JSONValue
    do throws(JSONError) {
      object = try JSONParser.parse(Array(value.utf8))
    } catch {
      throw ConfigurationError(
        option: OptionName.device, value: value, problem: error.description,
        remedy: "mend it, or give DRIVER,KEY=VALUE")
    }
    guard object["driver"]?.text != nil else { throw error("Parameter 'driver' is missing") }
    var items: [String] = []
    for member in object.object?.members ?? [] {
      guard !member.name.isEmpty, !member.name.utf8.contains(where: { "=,".utf8.contains($0) })
      else { throw error("there is no key \(PlainText.quoted(member.name))") }
      guard let text = member.value.propertyText, !text.utf8.contains(0) else {
        throw error("the value of \"\(PlainText.shortened(member.name))\" is not a property's")
      }
      items.append(member.name + "=" + KeyValueList.escaped(text))
    }
    return items.joined(separator: ",")
  }
}

extension JSONValue {
  /// A property's value as `-device` has it without JSON; nil for what is no property's value.
  fileprivate var propertyText: String? {
    switch self {
    case .bool(let isOn): isOn ? "on" : "off"
    case .number(let digits): digits
    case .string(let text): text
    case .null, .array, .object: nil
    }
  }
}
