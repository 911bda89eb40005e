import Host

/// The descriptors that clients of one right have left with the machine: by name (`getfd`), and in
/// sets (`add-fd`). Bounded; it outlives the clients, as in QEMU.
final class DescriptorStore {
  /// How many there may be of either kind.
  static let limit = 64

  /// One descriptor of a set.
  struct Entry {
    let descriptor: PassedDescriptor
    /// What the client said of it.
    let opaque: String?
  }

  private var names: [[UInt8]: PassedDescriptor] = [:]
  private(set) var sets: [Int: [Entry]] = [:]

  // MARK: Names

  /// Gives a descriptor a name; one that had it before is closed.
  func add(_ descriptor: PassedDescriptor, named name: String) throws(QMPError) {
    let key = Array(name.utf8)
    guard names[key] != nil || names.count < Self.limit else {
      throw QMPError("there are \(Self.limit) named file descriptors already; close one by closefd")
    }
    names[key] = descriptor
  }

  /// The descriptor of a name.
  func named(_ name: String) throws(QMPError) -> PassedDescriptor {
    guard let descriptor = names[Array(name.utf8)] else {
      throw QMPError("File descriptor named '\(name)' has not been found")
    }
    return descriptor
  }

  /// Closes the descriptor of a name.
  func close(named name: String) throws(QMPError) {
    guard names.removeValue(forKey: Array(name.utf8)) != nil else {
      throw QMPError("File descriptor named '\(name)' not found")
    }
  }

  // MARK: Sets

  /// Adds a descriptor to a set; nil for a new one. Returns the set.
  func add(
    _ descriptor: PassedDescriptor, toSet id: Int?, opaque: String?
  ) throws(QMPError) -> Int {
    guard sets.values.reduce(0, { $0 + $1.count }) < Self.limit else {
      throw QMPError("there are \(Self.limit) file descriptors already; remove one by remove-fd")
    }
    let free = (0...Self.limit).first { sets[$0] == nil } ?? 0
    let set = id ?? free
    sets[set, default: []].append(Entry(descriptor: descriptor, opaque: opaque))
    return set
  }

  /// Closes one descriptor of a set, or all.
  func remove(set id: Int, number: Int?) throws(QMPError) {
    let name = "fdset-id:\(id)" + (number.map { ", fd:\($0)" } ?? "")
    guard let entries = sets[id] else { throw Self.notFound(name) }
    guard let number else {
      sets[id] = nil
      return
    }
    let rest = entries.filter { Int($0.descriptor.number) != number }
    guard rest.count < entries.count else { throw Self.notFound(name) }
    sets[id] = rest.isEmpty ? nil : rest
  }

  private static func notFound(_ name: String) -> QMPError {
    QMPError("File descriptor named '\(name)' not found")
  }

  /// The set that a path of the form `/dev/fdset/N` names; nil for any other path.
  static func set(path: String) -> Int? {
    let prefix = "/dev/fdset/"
    guard path.utf8.starts(with: prefix.utf8) else { return nil }
    return Int(path.dropFirst(prefix.count))
  }

  /// A set's first descriptor.
  func first(ofSet id: Int) throws(QMPError) -> PassedDescriptor {
    guard let entry = sets[id]?.first else { throw Self.notFound("fdset-id:\(id)") }
    return entry.descriptor
  }
}
