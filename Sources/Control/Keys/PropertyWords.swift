/// What users call the properties of a configuration: the keys of devices and ports, and, by their table,
/// those of backends.
package enum PropertyWords {
  /// The key that sets a property; nil where none does.
  ///
  /// - Parameters:
  ///   - path: the properties on the way to it, from the machine's configuration inwards.
  ///   - place: where a backend's keys are given.
  package static func key(of path: [String], in place: BackendKey.Place) -> String? {
    if let last = path.lastIndex(of: "backend") {
      let property = path[(last + 1)...].joined(separator: ".")
      let keys = BackendKeys.standard
      if let word = keys.words.first(where: { $0.property == property }) {
        return place == .chardev ? word.chardevName : word.name
      }
      let key = keys.keys.first { $0.properties.contains(property) }
      return key?.name(in: place) ?? own.first { $0.property == property }?.key
    }
    // The machine's name is an option's whole value.
    if path == ["name"] { return nil }
    let property = path.drop { $0 == "consoleDevices" || $0 == "ports" }.joined(separator: ".")
    return own.first { $0.property == property }?.key
  }

  private static let own: [(property: String, key: String)] = [
    ("id", "id"), ("name", "name"), ("number", "nr"), ("policy.weight", "weight"),
    ("policy.drainMilliseconds", "drain"), ("policy.gapMilliseconds", "gap"),
    ("policy.onHostClose", "on-host-close"),
    ("maximumPortCount", "max-ports"), ("vectorCount", "vectors"), ("slot", "addr"),
    ("features.multiport", "multiport"),
    ("debugExit.firstPort", "iobase"), ("debugExit.portCount", "iosize"),
    ("controlSockets.chardev", "chardev"), ("controlSockets.isInsecure", "insecure"),
    ("controlSockets.opensHost", "host"), ("controlSockets.users", "allow-uid"),
    ("controlSockets.groups", "allow-gid"), ("oemStrings", "type=11,value"),
    // Of backends: what QEMU's keys alone say.
    ("socket.isListening", "server"), ("ringBuffer.size", "size"),
    ("connection.abstractName", "abstract"),
  ]
}
