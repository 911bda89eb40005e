import Glibc
import Host

/// Why a backend cannot be made, in a clause that names the path, address or number.
package struct ChardevError: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// Makes chardevs from their configurations: everything that can fail for the user's fault happens
/// here.
package struct ChardevOpener {
  /// What a person's typing at the process's terminal may do beside reaching the guest; nil passes
  /// every byte on.
  package var escape: EscapeKey?
  /// Whether the front end is a console, whose output is worth a record even while no client
  /// is connected.
  package var isForConsole: Bool
  /// How long others are waited for.
  package var patience: OpeningPatience
  /// Called when the user types the key that ends the machine.
  package var whenEnded: () -> Void

  package init(
    escape: EscapeKey? = nil, isForConsole: Bool = false, patience: OpeningPatience = .atStart(),
    whenEnded: @escaping () -> Void = {}
  ) {
    self.escape = escape
    self.isForConsole = isForConsole
    self.patience = patience
    self.whenEnded = whenEnded
  }

  /// Opens a backend.
  package func open(
    _ configuration: ChardevConfiguration
  ) throws(ChardevError) -> any Chardev {
    if configuration.isMultiplexed { return try openMultiplexed(configuration).makeEnd() }
    let chardev = try openRecorded(configuration)
    guard configuration.isStandardIO, let escape else { return chardev }
    return MuxChardev(chardev, escape: escape, whenEnded: whenEnded).makeEnd()
  }

  /// Opens a backend for several front ends; each is to have one of its ends.
  package func openMultiplexed(
    _ configuration: ChardevConfiguration
  ) throws(ChardevError) -> MuxChardev {
    MuxChardev(try openRecorded(configuration), whenEnded: whenEnded)
  }

  /// With its record, if there is to be one.
  private func openRecorded(
    _ configuration: ChardevConfiguration
  ) throws(ChardevError) -> any Chardev {
    let chardev = try openBackend(configuration.backend)
    guard let log = configuration.log else { return chardev }
    return try LoggedChardev(chardev, log, takesUnattended: isForConsole)
  }

  private func openBackend(
    _ backend: ChardevConfiguration.Backend
  ) throws(ChardevError) -> any Chardev {
    do {
      switch backend {
      case .null: return NullChardev()
      case .standardIO: return try DescriptorChardev(standardInput: STDIN_FILENO)
      case .socket(let socket): return try SocketOpener(socket, patience: patience).open()
      case .datagram(let datagram):
        return try DatagramOpener(datagram, patience: patience).open()
      case .descriptor(let source): return try DescriptorOpener(source).open()
      case .file(let file): return try DescriptorChardev(file)
      case .pipe(let path): return try DescriptorChardev(pipe: path)
      case .pseudoTerminal(let link): return try PseudoTerminal(link: link, patience: patience)
      case .ringBuffer(let size): return try RingBuffer(size: size)
      case .program(let command): return SocketChardev(try ProgramSource(command: command))
      case .several(let members): return try openSeveral(members)
      }
    } catch let error as ChardevError {
      throw error
    } catch {
      throw ChardevError("\(error)")
    }
  }

  private func openSeveral(_ members: [ChardevConfiguration]) throws(ChardevError) -> any Chardev {
    guard !members.isEmpty else { throw ChardevError("there is no backend; name at least one") }
    var chardevs: [any Chardev] = []
    for member in members { chardevs.append(try open(member)) }
    return HubChardev(chardevs)
  }
}

/// How long the opening of backends may wait for others, all together. For one thread.
package final class OpeningPatience {
  /// What is left for programs that are making sockets in the same directory, in milliseconds.
  private(set) var forLocks: Int
  /// What is left for peers to answer.
  private(set) var forPeers: Int

  private init(forLocks: Int, forPeers: Int) {
    self.forLocks = forLocks
    self.forPeers = forPeers
  }

  /// Before the machine runs: it has no time to lose to locks, yet its peers may be far away.
  package static func atStart() -> OpeningPatience {
    OpeningPatience(forLocks: 1000, forPeers: .max)
  }

  /// While it runs, when its other backends wait as long.
  package static func brief() -> OpeningPatience { OpeningPatience(forLocks: 100, forPeers: 100) }

  /// Does what waits for a lock.
  func whileLocking<Value>(_ body: (_ milliseconds: Int) -> Value) -> Value {
    let start = MonotonicClock.now()
    defer { forLocks -= Self.milliseconds(since: start, of: forLocks) }
    return body(forLocks)
  }

  /// Does what waits for a peer.
  func whileConnecting<Value, Failure>(
    _ body: (_ milliseconds: Int) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let start = MonotonicClock.now()
    defer { forPeers -= Self.milliseconds(since: start, of: forPeers) }
    return try body(forPeers)
  }

  private static func milliseconds(since start: Int64, of limit: Int) -> Int {
    min(limit, Int((MonotonicClock.now() &- start) / 1_000_000))
  }
}
