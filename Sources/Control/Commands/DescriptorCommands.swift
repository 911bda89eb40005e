import Glibc
import Host

/// Descriptors that clients pass along (SCM_RIGHTS).
enum DescriptorCommands {
  static let all = [
    Command(
      "getfd", .name("fdname"),
      help: "Keeps the descriptor that is passed along (SCM_RIGHTS) under a name."
    ) { (context, name) throws(QMPError) in
      let descriptor = try context.client.takeDescriptor()
      if let first = name.utf8.first, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) {
        throw QMPError("Parameter 'fdname' expects a name not starting with a digit")
      }
      try context.descriptors.add(descriptor, named: name)
      return .done
    },
    Command("closefd", .name("fdname"), help: "Closes that descriptor.") {
      (context, name) throws(QMPError) in
      try context.descriptors.close(named: name)
      return .done
    },
    Command(
      "add-fd", .optionalInteger("fdset-id"), .optionalText("opaque"),
      help: "Keeps the descriptor that is passed along in a set, as /dev/fdset/N."
    ) { (context, set, opaque) throws(QMPError) in
      let descriptor = try context.client.takeDescriptor()
      guard (set ?? 0) >= 0 else {
        throw QMPError("Parameter 'fdset-id' expects a non-negative value")
      }
      let id = try context.descriptors.add(descriptor, toSet: set, opaque: opaque)
      return .value(["fdset-id": .integer(id), "fd": .integer(descriptor.number)])
    },
    Command(
      "remove-fd", .integer("fdset-id"), .optionalInteger("fd"),
      help: "Closes one descriptor of a set, or all."
    ) { (context, set, number) throws(QMPError) in
      try context.descriptors.remove(set: set, number: number)
      return .done
    },
    Command(
      "query-fdsets", help: "The sets, and the descriptors in each.",
      tells: { context in
        .array(
          context.descriptors.sets.sorted { $0.key < $1.key }.map { id, entries in
            let descriptors: [JSONValue] = entries.map {
              ["fd": .integer($0.descriptor.number), "opaque": $0.opaque.map { .string($0) }]
            }
            return ["fdset-id": .integer(id), "fds": .array(descriptors)]
          })
      }),
  ]
}

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
    guard names.removeValue(forKey: Array(name.utf8)) != nil else { throw Self.notFound(name) }
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

/// A descriptor that came over a control socket, or is to go over one.
final class PassedDescriptor {
  private let descriptor: FileDescriptor

  var number: Int32 { descriptor.rawValue }

  init(_ descriptor: consuming FileDescriptor) { self.descriptor = descriptor }

  /// One more for the same open file, in the state of an inherited one, which a chardev takes over:
  /// not close-on-exec.
  func duplicateForChardev() throws(SystemError) -> Int32 {
    try systemCall("fcntl(F_DUPFD)") { fcntl(number, F_DUPFD, STDERR_FILENO + 1) }
  }

  /// Closes such a duplicate, unless a chardev has taken it over: then it is close-on-exec, as everything
  /// is that the process opens itself.
  static func takeBack(_ number: Int32) {
    let flags = fcntl(number, F_GETFD)
    if flags != -1, flags & FD_CLOEXEC == 0 { close(number) }
  }
}
