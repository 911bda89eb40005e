import Chardev

/// The open host ends that have an id, by its bytes.
///
/// One that one port at a time may have outlasts the ports. A shared one ends with the last port that
/// has one of its ends.
final class ChardevRegistry {
  private var own: [[UInt8]: any Chardev] = [:]
  private var shared: [[UInt8]: MuxChardev] = [:]

  /// Those that outlast ports, in no order.
  var lasting: [any Chardev] { Array(own.values) }

  /// The backend of an id, of a shared one what it shares.
  subscript(id: String) -> (any Chardev)? {
    let key = Array(id.utf8)
    return own[key] ?? shared[key]?.backend
  }

  /// Whether there is a backend of this id.
  func has(_ id: String) -> Bool { self[id] != nil }

  /// What a port is to have that is attached so; nil where nothing of its id is open.
  func end(of attachment: ChardevConfiguration) -> (any Chardev)? {
    guard let id = attachment.id else { return nil }
    let key = Array(id.utf8)
    return own[key] ?? shared[key]?.makeEnd(name: id)
  }

  func insert(_ chardev: any Chardev, id: String) { own[Array(id.utf8)] = chardev }

  func insert(_ mux: MuxChardev, id: String) { shared[Array(id.utf8)] = mux }

  /// Forgets the host end of an id; returns it if it is a lasting one.
  func remove(id: String) -> (any Chardev)? {
    let key = Array(id.utf8)
    shared[key] = nil
    return own.removeValue(forKey: key)
  }
}
