import Chardev

/// A key that refines a backend, as one row of `BackendKeys`: how it is called, what its value is, what
/// it is for, what the help says, and where it is stored.
package struct BackendKey: Sendable {
  /// Where a key is given. The same key may have another name there.
  package enum Place: Sendable {
    /// In the short form: `--virtserialport`, `--virtconsole`, `--preset`, `--serial`.
    case shortForm
    /// In `-chardev`.
    case chardev
    /// In the `data` of QMP's `chardev-add`.
    case qmp
  }

  /// What kind of backend a key may be given for.
  package enum Target: Sendable {
    /// A listening Unix socket with a path.
    case listener
    /// A listening socket in the abstract name space.
    case abstractListener
    /// A listening TCP socket.
    case tcpListener
    /// A connecting Unix socket.
    case connector
    /// A connecting TCP socket.
    case tcpConnector
    /// An output file.
    case output

    /// All kinds of sockets.
    package static let sockets: Set<Target> = [
      .listener, .abstractListener, .tcpListener, .connector, .tcpConnector,
    ]
  }

  /// What a key is for: kinds of backends and a noun for them.
  package struct Purpose: Sendable {
    /// Empty for any backend.
    package let targets: Set<Target>
    /// What the kinds are called in messages.
    package let noun: String
    /// What the help calls them; nil where a key is for any backend.
    package let scope: String?

    package init(_ targets: Set<Target>, _ noun: String, inHelp scope: String? = nil) {
      self.targets = targets
      self.noun = noun
      self.scope = targets.isEmpty ? nil : scope ?? noun
    }
  }

  /// The name in the short form.
  package let name: String
  /// What stands for the value in the help; empty for a flag that may stand alone.
  package let usage: String
  package let kind: ValueKind
  package let purpose: Purpose
  /// What it does; a clause.
  package let meaning: String
  /// What is so without it.
  package let standard: String?
  /// The key without which it means nothing.
  package let companion: String?
  /// The key that says the same in other words.
  package let twin: String?

  /// Where it is stored, seen from the backend.
  package let properties: [String]

  private let chardevName: String
  private let qmp: QMPName
  private let store: @Sendable (KeyValue, inout BackendDraft) -> Void

  /// Makes a row.
  ///
  /// - Parameters:
  ///   - chardevName: its name in `-chardev`; nil for the same.
  ///   - qmp: its name in QMP.
  ///   - properties: where its value is stored, seen from the backend.
  ///   - store: puts a value there.
  package init(
    _ name: String, _ kind: ValueKind, _ usage: String? = nil, for purpose: Purpose,
    _ meaning: String,
    standard: String? = nil, chardevName: String? = nil, qmp: QMPName = .own,
    with companion: String? = nil, sameAs twin: String? = nil, in properties: String...,
    store: @escaping @Sendable (KeyValue, inout BackendDraft) -> Void
  ) {
    self.name = name
    self.usage = usage ?? kind.usage
    self.kind = kind
    self.purpose = purpose
    self.meaning = meaning
    self.standard = standard
    self.companion = companion
    self.twin = twin
    self.properties = properties
    self.chardevName = chardevName ?? name
    self.qmp = qmp
    self.store = store
  }

  /// What QMP calls a key.
  package enum QMPName: Sendable {
    /// `chardev-add` does not take it.
    case none
    /// `x-swiftvm-` and its name, as QEMU does not have it.
    case own
    /// As QEMU calls it. Where it does not fit, it is ignored, as there.
    case qemu(String)
  }

  /// What it is called in a place, which is how it is given there; nil where it cannot be given there.
  package func name(in place: Place) -> String? {
    switch place {
    case .shortForm: name
    case .chardev: chardevName
    case .qmp:
      switch qmp {
      case .none: nil
      case .own: "x-swiftvm-" + name
      case .qemu(let name): name
      }
    }
  }

  /// Whether it is ignored for a backend that it does not fit, as QEMU does with its own in QMP.
  package func isIgnored(in place: Place) -> Bool {
    if place == .qmp, case .qemu = qmp { true } else { false }
  }

  /// Whether it can be given for one of these kinds.
  package func fits(_ targets: Set<Target>) -> Bool {
    purpose.targets.isEmpty || !purpose.targets.isDisjoint(with: targets)
  }

  /// Puts a value where it belongs.
  package func put(_ value: KeyValue, into draft: inout BackendDraft) { store(value, &draft) }
}

/// A backend that keys refine: the parts that they are stored in.
package struct BackendDraft {
  /// The whole, with its id, its log and whether it is shared; of sockets and files, what they are is
  /// in the parts below.
  package var chardev: ChardevConfiguration
  /// Nil where it is no socket.
  package var socket: SocketConfiguration?
  /// Nil where it is no file.
  package var file: FileConfiguration?

  init(_ backend: ChardevConfiguration.Backend) {
    chardev = ChardevConfiguration(backend)
    if case .socket(let socket) = backend { self.socket = socket }
    if case .file(let file) = backend { self.file = file }
  }

  /// What it has become.
  var backend: ChardevConfiguration.Backend {
    socket.map { .socket($0) } ?? file.map { .file($0) } ?? chardev.backend
  }
}

/// A key or word of the short form that says what a backend is, as one row of `BackendKeys`.
package struct BackendWord: Sendable {
  /// The word or key.
  package let name: String
  /// What stands for its value in the help; nil for a word alone.
  package let metavariable: String?
  /// Whether it may stand alone.
  package let standsAlone: Bool
  /// What keys refine it; nil for those that are for any backend.
  package let target: BackendKey.Target?
  /// What it is.
  package let meaning: String
  /// Where its value is stored, seen from the backend; nil where it has none.
  package let property: String?
  /// The key of its value in `-chardev`.
  package let chardevName: String

  /// Makes the backend.
  package let make: Maker

  /// Gets the word's value, empty where it stands alone, and those of all words that were given; nil
  /// where another word makes the backend, or where it was described before.
  package typealias Maker =
    // String keys: the table's own words.
    @Sendable (_ value: String, _ given: [String: String]) throws(KeyProblem) ->
    ChardevConfiguration.Backend?

  /// Makes a row.
  package init(
    _ name: String, value metavariable: String? = nil, alone standsAlone: Bool? = nil,
    _ meaning: String, refinedAs target: BackendKey.Target? = nil, in property: String? = nil,
    chardevName: String? = nil, make: @escaping Maker
  ) {
    self.name = name
    self.metavariable = metavariable
    self.standsAlone = standsAlone ?? (metavariable == nil)
    self.target = target
    self.meaning = meaning
    self.property = property
    self.chardevName = chardevName ?? name
    self.make = make
  }
}
