import Chardev

/// A listening socket at which clients control the machine in QMP's language.
///
/// A Unix socket serves clients of this process's user and of those named here or in the socket's
/// `access`; an inherited one also those of the user who made it. Its file has mode 0600 unless
/// `access` says otherwise.
public struct ControlSocketConfiguration: Equatable, Sendable {
  /// The socket: one that listens, or an inherited one that does.
  public var socket: ChardevConfiguration

  /// Whether clients may have the machine open paths, addresses and programs on the host, which the
  /// machine's user could; nil for yes at a socket with a file, and no at any other. Never on TCP.
  public var opensHost: Bool?

  /// Whether it may listen on TCP or at an abstract name, where every program that gets there
  /// controls the machine, web pages in browsers included. Standard error repeats it.
  public var isInsecure: Bool

  /// Users by number who are served beside this process's own.
  public var users: [UInt32]

  /// Groups by number whose processes are served, too.
  public var groups: [UInt32]

  /// Makes a description.
  public init(
    _ socket: ChardevConfiguration, opensHost: Bool? = nil, isInsecure: Bool = false,
    users: [UInt32] = [], groups: [UInt32] = []
  ) {
    self.socket = socket
    self.opensHost = opensHost
    self.isInsecure = isInsecure
    self.users = users
    self.groups = groups
  }

  /// A Unix socket that the machine listens on.
  public static func unixSocketServer(path: String) -> ControlSocketConfiguration {
    ControlSocketConfiguration(.unixSocketServer(path: path))
  }
}
