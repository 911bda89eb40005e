import Chardev
import Glibc
import Host
import SwiftVM

/// The QMP server of one machine: serves clients at each of the configuration's `controlSockets`.
///
/// The machine keeps its server, which ends with it. `@unchecked Sendable`: all of it is touched on the
/// machine's I/O thread alone, where commands are carried out.
public final class ControlServer: @unchecked Sendable {
  /// One socket, and what the clients who come there may do.
  final class Listener {
    let socket: ServiceSocket
    /// Whether its clients may have the machine open paths, addresses and programs on the host.
    let opensHost: Bool
    fileprivate var token: EventLoop.Token?
    /// Until accepting goes on after a failure.
    fileprivate var rest: EventLoop.Timer?

    init(socket: ServiceSocket, opensHost: Bool) {
      (self.socket, self.opensHost) = (socket, opensHost)
    }
  }

  /// The command line's part in `swiftvm plug`.
  package struct PortParser {
    /// Makes a port of an option and its value (`--virtserialport`), and with it the device, as its bus.
    package typealias Parse = (_ option: String, _ value: String) throws(QMPError) -> (
      bus: String?, port: VirtioConsolePortConfiguration
    )

    let parse: Parse
    /// Writes an error in the command line's words.
    let spell: (ConfigurationError) -> String

    package init(
      _ parse: @escaping Parse, spell: @escaping (ConfigurationError) -> String = { $0.description }
    ) {
      (self.parse, self.spell) = (parse, spell)
    }
  }

  /// How many clients are served at once.
  package static let clientLimit = 16
  /// How long accepting rests after a failure: the listener stays ready all the time.
  private static let acceptRestMilliseconds = 100
  /// How many backends clients may add to those that the machine was started with.
  package static let chardevLimit = 1024
  /// How many bytes these may hold in memory, all together.
  package static let chardevMemoryLimit = RingBuffer.largestSize

  static let version: JSONValue = [
    "qemu": [
      "major": .integer(SwiftVMVersion.numbers.0), "minor": .integer(SwiftVMVersion.numbers.1),
      "micro": .integer(SwiftVMVersion.numbers.2),
    ],
    "package": "swiftvm",
  ]

  /// Clients refused because their user is not served.
  private(set) var deniedClientCount: UInt64 = 0
  /// Clients closed because they did not read.
  private(set) var slowClientCount: UInt64 = 0
  unowned let machine: VirtualMachine
  let portParser: PortParser?
  private let startingLoad: ChardevLoad
  private var listeners: [Listener]
  /// What clients have left, of those that may open things on the host and of those that may not.
  private let descriptors = (open: DescriptorStore(), closed: DescriptorStore())
  private let log = RateLimitedLog()
  private lazy var throttle = EventThrottle { [unowned self] in tell($0) }
  private var clients: [ControlClient] = []
  private var isCheckPosted = false
  /// A client has ended the machine.
  private var hasQuit = false

  private var loop: EventLoop { machine.engine.loop }

  /// Listens at the machine's control sockets from now on; clients are served while the machine runs.
  ///
  /// To be called on the thread that makes and runs the machine, once.
  ///
  /// - Throws: what the user has to change, having created nothing.
  @discardableResult
  public convenience init(serving machine: VirtualMachine) throws(ConfigurationError) {
    try self.init(machine, nil)
  }

  /// The same, with the command line's reader for `swiftvm plug`.
  ///
  /// - Parameter goesWithout: whether the machine is served without the socket that the error is about.
  @discardableResult
  package convenience init(
    _ machine: VirtualMachine, _ portParser: PortParser?,
    goesWithout: (ConfigurationError) -> Bool = { _ in false }
  ) throws(ConfigurationError) {
    let patience = OpeningPatience.atStart()
    var listeners: [Listener] = []
    for (index, control) in machine.engine.configuration.controlSockets.enumerated() {
      do throws(ConfigurationError) {
        listeners.append(try Self.open(control, at: .root.controlSockets[index], patience))
      } catch {
        guard goesWithout(error) else { throw error }
      }
    }
    do throws(SystemError) {
      try self.init(machine, at: listeners, portParser)
    } catch {
      throw ConfigurationError(.host, at: .root.controlSockets, .init(error.description))
    }
  }

  /// The same for sockets that listen already.
  init(
    _ machine: VirtualMachine, at listeners: [Listener], _ portParser: PortParser? = nil
  ) throws(SystemError) {
    self.machine = machine
    self.listeners = listeners
    self.portParser = portParser
    startingLoad = ChardevLoad(machine.engine.configuration)
    for listener in listeners {
      listener.token = try loop.register(listener.socket.descriptor, interest: .readable) {
        [weak self] _ in self?.accept(listener)
      }
    }
    machine.addEventHandler { [self] in handle($0) }
  }

  private static func open(
    _ control: ControlSocketConfiguration, at path: PropertyPath, _ patience: OpeningPatience
  ) throws(ConfigurationError) -> Listener {
    let socket: ServiceSocket
    do throws(ChardevError) {
      switch control.socket.backend {
      case .socket(let configuration):
        socket = try ServiceSocket(
          configuration, users: control.users, groups: control.groups, patience: patience)
      case .descriptor(let source):
        socket = try ServiceSocket(source, users: control.users, groups: control.groups)
      default: throw ChardevError("QMP is spoken on sockets only; give a path")
      }
    } catch {
      throw ConfigurationError(.host, at: path, .init(error.description))
    }
    try ControlSocketRules.check(control, socket.reach, at: path, name: socket.name)
    if control.isInsecure {
      let whom =
        socket.reach == .network
        ? "every program that reaches it" : "this user's programs in any container on this network"
      Log.warning("control socket \(socket.name) is insecure: \(whom) can control the machine")
    }
    return Listener(socket: socket, opensHost: control.opensHost ?? (socket.reach == .file))
  }

  // MARK: Events

  private func handle(_ event: VirtualMachineEvent) {
    if case .ended = event { return stop() }
    send(event)
  }

  /// Tells every client what has happened, as often as the event's rule allows.
  func send(_ event: VirtualMachineEvent) {
    somethingChanged()
    guard !clients.isEmpty,
      let event = QMPEvent(
        event, onPanic: machine.engine.configuration.panicPolicy, byClient: hasQuit)
    else { return }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    let json = event.json(at: time)
    for key in event.settled { throttle.settle(key) }
    // A client that comes later asks for the state.
    if let key = event.key { throttle.tell(json, of: key, on: loop) } else { tell(json) }
  }

  private func tell(_ event: JSONValue) {
    for client in clients { client.send(event: event) }
  }

  /// Looks at what clients wait for, soon: a port, or a ring buffer, may have changed.
  func somethingChanged() {
    guard !isCheckPosted, !clients.isEmpty else { return }
    isCheckPosted = true
    loop.post { [weak self] in
      guard let self else { return }
      isCheckPosted = false
      for client in clients { client.check() }
    }
  }

  /// Ends service for good: every client still gets what its socket takes.
  private func stop() {
    throttle.stop()
    for listener in listeners {
      listener.rest?.cancel()
      if let token = listener.token { loop.remove(token) }
    }
    for client in clients { client.close() }
    clients = []
    listeners = []
  }

  // MARK: For clients

  /// How many clients there are now.
  var clientCount: Int { clients.count }

  /// What clients with a right have left.
  func descriptors(opensHost: Bool) -> DescriptorStore {
    opensHost ? descriptors.open : descriptors.closed
  }

  /// Ends the machine. The reply is still sent.
  func quit() {
    hasQuit = true
    machine.stop()
  }

  /// Makes sure that clients do not fill the host's memory.
  ///
  /// - Parameter id: the backend that goes in exchange.
  func requireRoom(
    for configuration: ChardevConfiguration, inPlaceOf id: String? = nil
  ) throws(QMPError) {
    var load = ChardevLoad(machine.engine.configuration, except: id)
    load.add(configuration)
    guard load.count <= startingLoad.count + Self.chardevLimit else {
      throw QMPError(
        "clients have added \(Self.chardevLimit) backends already; remove one by chardev-remove")
    }
    guard load.byteCount <= startingLoad.byteCount + Self.chardevMemoryLimit else {
      throw QMPError(
        "backends that clients add may hold \(Self.chardevMemoryLimit >> 20) MiB in memory, all"
          + " together; give a smaller size, or remove one by chardev-remove")
    }
  }

  func close(_ client: ControlClient) {
    client.close()
    clients.removeAll { $0 === client }
  }

  func closeSlow(_ client: ControlClient) {
    slowClientCount &+= 1
    log.warning(
      "a QMP client was closed, since it did not read (\(slowClientCount) so far)")
    close(client)
  }

  // MARK: Accepting

  private func accept(_ listener: Listener) {
    do throws(SystemError) {
      guard let client = try listener.socket.accept() else { return }
      guard client.isAllowed else {
        deniedClientCount &+= 1
        log.warning(
          "QMP socket '\(listener.socket.name)': a client's user may not connect "
            + "(\(deniedClientCount) sent away so far)")
        return refuse(
          client.connection(), "this control socket does not serve your user; see allow-uid=")
      }
      serve(client.connection(), listener)
    } catch {
      log.warning("QMP socket: \(error); trying again")
      guard let token = listener.token else { return }
      let loop = loop
      loop.setInterest([], for: token)
      listener.rest = loop.after(milliseconds: Self.acceptRestMilliseconds) {
        loop.setInterest(.readable, for: token)
      }
    }
  }

  /// Tells a client why it is not served, as far as its socket takes that at once, and closes it.
  private func refuse(_ client: consuming FileDescriptor, _ reason: String) {
    let line = JSONValue.reply(.failure(QMPError(reason)), id: nil).printed + "\r\n"
    _ = ControlConnection(client).send(Array(line.utf8)[...], descriptor: nil)
  }

  private func serve(_ descriptor: consuming FileDescriptor, _ listener: Listener) {
    guard clients.count < Self.clientLimit else {
      return refuse(
        descriptor, "there are \(Self.clientLimit) QMP clients already; try again later")
    }
    let client = ControlClient(
      ControlConnection(descriptor), of: listener, server: self, loop: loop)
    clients.append(client)
    do throws(SystemError) { try client.start() } catch {
      log.warning("a QMP client is lost: \(error)")
      close(client)
    }
  }
}

/// How many backends there are, and what they hold in memory.
private struct ChardevLoad {
  private(set) var count = 0
  private(set) var byteCount = 0

  /// - Parameter id: a backend that does not count.
  init(_ configuration: VirtualMachineConfiguration, except id: String? = nil) {
    for attachment in configuration.frontEnds + configuration.characterDevices
    where id == nil || attachment.id != id { add(attachment) }
  }

  mutating func add(_ configuration: ChardevConfiguration) {
    let size: Int
    switch configuration.backend {
    case .null: return
    case .several(let members):
      for member in members { add(member) }
      return
    case .ringBuffer(let byteCount): size = byteCount
    case .socket(let socket): size = socket.replaySize
    default: size = 0
    }
    count += 1
    // What is too large is refused when it is opened.
    byteCount += min(max(size, 0), RingBuffer.largestSize)
  }
}
