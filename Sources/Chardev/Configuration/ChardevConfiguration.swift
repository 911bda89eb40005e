/// The backend of a port, a console or the serial line: a plain value, from which `open` makes a
/// chardev.
public struct ChardevConfiguration: Equatable, Sendable {
  /// What bytes go to and come from; the names are QEMU's where it has the same.
  public indirect enum Backend: Equatable, Sendable {
    /// Nothing: what the guest writes is discarded, and nothing is ever there to read.
    case null
    /// The process's standard input and output. A terminal is made raw while the machine runs.
    case standardIO
    /// A stream or packet socket, listening or connecting.
    case socket(SocketConfiguration)
    /// UDP datagrams.
    case datagram(DatagramConfiguration)
    /// Files for output, input or both.
    case file(FileConfiguration)
    /// A pair of FIFOs, `path.in` to the guest and `path.out` from it, or else one at `path`.
    case pipe(path: String)
    /// A new pseudo-terminal; `link` is a symbolic link to it, made and removed with it.
    case pseudoTerminal(link: String?)
    /// The last `size` bytes that the guest has written, in memory; as many as in QEMU by default.
    case ringBuffer(size: Int = 65536)
    /// A descriptor that the process has inherited: a listening or a connected socket, a pipe, a
    /// terminal, a file; or its standard output (1) or standard error (2), for output alone.
    case descriptor(DescriptorSource)
    /// A program, run by `/bin/sh -c`, with the port as its standard input and output.
    case program(command: String)
    /// Output goes to each, input comes from each.
    case several([ChardevConfiguration])

    /// The process's standard error, for output alone.
    public static let standardError = Backend.descriptor(.number(2))
  }

  /// What others refer to it by; nil where none do.
  public var id: String?
  /// What it is.
  public var backend: Backend
  /// A record of what passes through.
  public var log: LogConfiguration?
  /// Whether several front ends share it, one at a time having its input (QEMU's `mux=on`).
  public var isMultiplexed: Bool

  /// Makes a backend's description.
  public init(
    id: String? = nil, _ backend: Backend, log: LogConfiguration? = nil, isMultiplexed: Bool = false
  ) {
    self.id = id
    self.backend = backend
    self.log = log
    self.isMultiplexed = isMultiplexed
  }

  /// Whether it is the process's standard input and output.
  public var isStandardIO: Bool { backend == .standardIO }

  /// Whether making it opens something on the host: a path, an address, a program, or a descriptor
  /// that the process has inherited.
  package var opensHost: Bool {
    if log != nil { return true }
    switch backend {
    case .null, .ringBuffer: return false
    case .several(let members): return members.contains(where: \.opensHost)
    case .standardIO, .socket, .datagram, .file, .pipe, .pseudoTerminal, .descriptor, .program:
      return true
    }
  }

  /// Nothing.
  public static let none = ChardevConfiguration(.null)

  /// The process's standard input and output.
  public static let standardIO = ChardevConfiguration(.standardIO)

  /// A file that receives what the guest writes; created or emptied at the start.
  public static func file(path: String) -> ChardevConfiguration {
    ChardevConfiguration(.file(FileConfiguration(output: path)))
  }

  /// A Unix stream socket that the machine listens on, for one client at a time.
  public static func unixSocketServer(path: String) -> ChardevConfiguration {
    ChardevConfiguration(.socket(SocketConfiguration(.unix(path: path))))
  }
}

/// A record of what passes through a chardev.
public struct LogConfiguration: Equatable, Sendable {
  /// The file it is written to.
  public var path: String
  /// Whether an existing file is kept and added to.
  public var appends: Bool
  /// Whether lines with time and direction are written, both directions; else the guest's output
  /// alone, as it is.
  public var isAnnotated: Bool

  /// Makes a record's description.
  public init(path: String, appends: Bool = false, isAnnotated: Bool = false) {
    self.path = path
    self.appends = appends
    self.isAnnotated = isAnnotated
  }
}

/// Where an inherited descriptor comes from.
public enum DescriptorSource: Equatable, Sendable {
  /// By its number, from 1 on. From 3 on it must not be close-on-exec, which those that the process
  /// has opened itself are.
  case number(Int32)
  /// By the name that systemd's socket activation gave it (`LISTEN_FDNAMES`, sd_listen_fds(3)).
  case activation(name: String)
}

/// Files as a backend.
public struct FileConfiguration: Equatable, Sendable {
  /// Where an output file goes on once it is full.
  public struct Rotation: Equatable, Sendable {
    /// The most bytes of one file.
    public var size: UInt64
    /// How many full files are kept, as `path.1` (the newest), `path.2`, ….
    public var count: Int

    /// What sizes may be: smaller files would make moving them most of the work.
    public static let allowedSizes: ClosedRange<UInt64> = 4096...UInt64.max
    /// What counts may be: more files would take too long to rename, since the guest waits.
    public static let allowedCounts = 1...100

    /// Makes a limit.
    public init(size: UInt64, count: Int = 1) {
      self.size = size
      self.count = count
    }
  }

  /// The file that receives what the guest writes; nil for nothing.
  public var output: String?
  /// The file whose bytes the guest reads; nil for none.
  public var input: String?
  /// Whether an existing output file is kept and added to.
  public var appends: Bool
  /// A limit of the output's size; nil for none.
  public var rotation: Rotation?
  /// The permissions of an output file that is made, at most `0o777`; nil for `0o600`. A file that is
  /// there keeps its own.
  public var mode: UInt32?

  /// Makes a description.
  public init(
    output: String? = nil, input: String? = nil, appends: Bool = false, rotation: Rotation? = nil
  ) {
    self.output = output
    self.input = input
    self.appends = appends
    self.rotation = rotation
  }
}
