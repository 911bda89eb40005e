import Chardev
import Host

/// The backends of a machine over all lives of the guest: opened, started and stopped here, on the I/O
/// thread.
///
/// A backend with an id outlasts the ports that have it, one after another. One that several may have at a
/// time (`isMultiplexed`) ends with the last of them. All others end with their port.
final class Backends {
  /// Several front ends have it at a time.
  private struct Shared {
    let mux: MuxChardev
    var userCount = 0
  }

  private struct State {
    /// What ports, serial lines and spares have, in the order of opening.
    var open: [any Chardev] = []
    // By the ids' bytes: two spellings of an accent are two ids.
    var named: [[UInt8]: any Chardev] = [:]
    var shared: [[UInt8]: Shared] = [:]
    var spares: [ChardevConfiguration] = []
  }

  /// Called when the user types the key that ends the machine.
  var onEscape: () -> Void = {}
  private var state = State()
  /// Those that the user is still to be told of; nil once that is over.
  private var terminals: [(path: String, label: String)]? = []
  private let patience = OpeningPatience.atStart()
  /// The I/O thread's, while the backends are served.
  private var loop: EventLoop?

  /// Those with an id that no port has, in the order in which they became free.
  var spares: [ChardevConfiguration] { state.spares }

  /// All that have been opened and not closed.
  var all: [any Chardev] { state.open }

  /// Begins to serve them.
  func start(on loop: EventLoop) throws(SystemError) {
    for chardev in state.open { try chardev.start(on: loop) }
    self.loop = loop
  }

  /// Turns the loop until each listener that waits for a client (`waitsForClient`) has had one, or until
  /// `isOver`.
  func awaitClients(unless isOver: () -> Bool) {
    guard let loop else { return }
    func isAwaited(_ chardev: any Chardev) -> Bool {
      chardev.session?.waitsForFirstClient == true
    }
    for chardev in all where isAwaited(chardev) {
      Log.note("waiting for a client of \(chardev.filename)")
    }
    while !isOver(), all.contains(where: isAwaited) { loop.turn(timeoutMilliseconds: -1) }
  }

  /// Ends them.
  func stop() {
    loop = nil
    for chardev in state.open { chardev.stop() }
  }

  /// The open backend of an id; of a shared one, what is shared.
  subscript(id: String) -> (any Chardev)? {
    let key = Array(id.utf8)
    return state.named[key] ?? state.shared[key]?.mux.backend
  }

  // MARK: For ports and serial lines

  /// Opens a backend, or finds the one of its id.
  ///
  /// - Parameters:
  ///   - owner: what is to have it; errors name it.
  ///   - isForConsole: whether a person may be typing there, who has escape keys.
  ///   - label: what `tellTerminals` calls it; nil if it is not to be told.
  func open(
    _ configuration: ChardevConfiguration, of owner: PropertyPath, isForConsole: Bool = false,
    label: String? = nil
  ) throws(ConfigurationError) -> any Chardev {
    let key = configuration.id.map { Array($0.utf8) }
    if let key { state.spares.removeAll { $0.id?.utf8.elementsEqual(key) == true } }
    if let key, let known = state.named[key] { return known }
    do {
      let known = key.flatMap { state.shared[$0]?.mux }
      let opener = opener(isForConsole: isForConsole)
      let chardev: any Chardev
      if let key, configuration.isMultiplexed || known != nil {
        let mux = try known ?? opener.openMultiplexed(configuration)
        chardev = mux.makeEnd(name: configuration.id)
        state.shared[key, default: Shared(mux: mux)].userCount += 1
      } else {
        chardev = try opener.open(configuration)
        if let key { state.named[key] = chardev }
      }
      state.open.append(chardev)
      if let loop { try chardev.start(on: loop) }
      if known == nil { note(chardev, label) }
      return chardev
    } catch {
      throw ConfigurationError(.host, at: owner, .init("\(error)"))
    }
  }

  /// Takes a backend back from what had it. One with an id waits for another port.
  func release(_ chardev: any Chardev, _ configuration: ChardevConfiguration) {
    guard let key = configuration.id.map({ Array($0.utf8) }) else { return close(chardev) }
    if state.named[key] === chardev { return state.spares.append(configuration) }
    close(chardev)
    state.shared[key]?.userCount -= 1
    if state.shared[key]?.userCount == 0 { state.shared[key] = nil }
  }

  /// Opens a backend that takes the place of one with the same id, which is still to be closed.
  func openInstead(
    _ configuration: ChardevConfiguration, of owner: PropertyPath, isForConsole: Bool
  ) throws(ConfigurationError) -> any Chardev {
    try undoing { () throws(ConfigurationError) in
      if let id = configuration.id { state.named[Array(id.utf8)] = nil }
      return try open(configuration, of: owner, isForConsole: isForConsole)
    }
  }

  func close(_ chardev: any Chardev) {
    state.open.removeAll { $0 === chardev }
    chardev.stop()
  }

  /// Does what opens backends; where it throws, these are closed and everything is as before.
  func undoing<Value>(
    _ body: () throws(ConfigurationError) -> Value
  ) throws(ConfigurationError) -> Value {
    let before = state
    do throws(ConfigurationError) { return try body() } catch {
      for chardev in state.open.dropFirst(before.open.count) { chardev.stop() }
      state = before
      throw error
    }
  }

  // MARK: Spares

  /// Opens a backend with an id, which a port may have later.
  ///
  /// - Parameter place: among the spares; nil for the last one.
  @discardableResult
  func addSpare(
    _ configuration: ChardevConfiguration, at place: Int? = nil
  ) throws(ConfigurationError) -> any Chardev {
    let path = PropertyPath.root.characterDevices
    let chardev = try undoing { () throws(ConfigurationError) in
      try configuration.isMultiplexed
        ? openShared(configuration, of: path)
        : open(configuration, of: path, label: configuration.id)
    }
    state.spares.insert(configuration, at: place ?? state.spares.endIndex)
    return chardev
  }

  /// Opens a backend that is served once a port has it.
  private func openShared(
    _ configuration: ChardevConfiguration, of owner: PropertyPath
  ) throws(ConfigurationError) -> any Chardev {
    do throws(ChardevError) {
      let mux = try opener(isForConsole: false).openMultiplexed(configuration)
      if let id = configuration.id { state.shared[Array(id.utf8)] = Shared(mux: mux) }
      note(mux.backend, configuration.id)
      return mux.backend
    } catch {
      throw ConfigurationError(.host, at: owner, .init(error.description))
    }
  }

  /// Closes the spare of this place.
  func removeSpare(at place: Int) {
    guard let id = state.spares.remove(at: place).id else { return }
    state.shared[Array(id.utf8)] = nil
    if let chardev = state.named.removeValue(forKey: Array(id.utf8)) { close(chardev) }
  }

  // MARK: Opening

  private func opener(isForConsole: Bool) -> ChardevOpener {
    // Escapes are for people at a console: a pipe's bytes, and a channel's, are passed on as they are.
    ChardevOpener(
      escape: isForConsole && Terminal.isTerminal(0) ? EscapeKey() : nil,
      isForConsole: isForConsole, patience: loop == nil ? patience : .brief(),
      whenEnded: { [weak self] in self?.onEscape() })
  }

  private func note(_ chardev: any Chardev, _ label: String?) {
    guard let label, let path = ClientConnection.terminalPath(of: chardev) else { return }
    terminals?.append((path, label))
  }

  /// Tells the user where the terminals are, since the kernel picks their names, in QEMU's words. Of later
  /// ones nothing is told.
  func tellTerminals() {
    for (path, label) in terminals ?? [] {
      Log.note("char device redirected to \(path) (label \(label))")
    }
    terminals = nil
  }
}
