import CKVM
import Glibc
import Host

/// Makes chardevs of inherited descriptors, each according to what it is.
struct DescriptorOpener {
  private let source: DescriptorSource
  private let activation: SocketActivation

  init(_ source: DescriptorSource, activation: SocketActivation = SocketActivation()) {
    self.source = source
    self.activation = activation
  }

  func open() throws(ChardevError) -> any Chardev {
    if case .number(let number) = source, [STDOUT_FILENO, STDERR_FILENO].contains(number) {
      return try openOutput(number)
    }
    let inherited = try take()
    let kind = inherited.kind
    let descriptor = inherited.descriptor
    FileDescriptor.refuseDescriptors(descriptor.rawValue)
    switch kind {
    case .listeningSocket(let isPacketed):
      let listener = SocketListener(
        ListeningSocket(adopting: descriptor), isPacketed: isPacketed)
      return SocketOpener.serve(listener, .exclusive, isPacketed: isPacketed)
    case .connectedSocket(let isPacketed):
      descriptor.prepareSocket(
        SocketAddress.local(of: descriptor.rawValue), isPacketed: isPacketed)
      let peer = SocketPeer(descriptor, isPacketed: isPacketed)
      return SocketChardev(PreconnectedSocket(peer, name: filename), isPacketed: isPacketed)
    case .datagramSocket: return DatagramChardev(descriptor)
    case .file(let isReadable, let isWritable):
      do throws(SystemError) {
        return try DescriptorChardev(
          inheriting: descriptor, isReadable: isReadable, isWritable: isWritable, filename: filename
        )
      } catch {
        throw ChardevError("\(name) cannot be used (\(error)); give another")
      }
    }
  }

  /// Standard output or standard error, which stays the process's.
  private func openOutput(_ number: Int32) throws(ChardevError) -> any Chardev {
    do throws(SystemError) {
      let copy = try systemCall("fcntl") { fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) }
      return try DescriptorChardev(
        inheriting: FileDescriptor(owning: copy), isReadable: false, isWritable: true,
        filename: filename)
    } catch {
      throw ChardevError("\(name) cannot be used (\(error)); give another")
    }
  }

  /// Takes the descriptor over.
  func take() throws(ChardevError) -> InheritedDescriptor {
    try InheritedDescriptor(try number, name: name)
  }

  /// The descriptor to take; of several of one name the first that has not been taken.
  private var number: Int32 {
    get throws(ChardevError) {
      switch source {
      case .number(let number): return number
      case .activation(let name):
        let numbers = activation.numbers(of: name)
        guard let first = numbers.first else {
          let names = activation.names.isEmpty ? "none" : activation.names.joined(separator: ", ")
          throw ChardevError(
            "no socket named '\(name)' was passed to this process; it was given: \(names)")
        }
        return numbers.first { fcntl($0, F_GETFD) & FD_CLOEXEC == 0 } ?? first
      }
    }
  }

  private var name: String {
    switch source {
    case .number(let number): "descriptor \(number)"
    case .activation(let name): "activation socket '\(name)'"
    }
  }

  private var filename: String {
    switch source {
    case .number(let number): "fd:\(number)"
    case .activation(let name): "fd:\(name)"
    }
  }
}

/// A descriptor that was open when the process began, and what it is.
///
/// Only such a descriptor is inherited over exec(3), so whatever is close-on-exec is the process's
/// own, or has been taken over before.
struct InheritedDescriptor: ~Copyable {
  /// What chardev it makes.
  enum Kind: Equatable {
    case listeningSocket(isPacketed: Bool)
    case connectedSocket(isPacketed: Bool)
    case datagramSocket
    /// A pipe, a terminal, another device, or a file, open for reading, writing or both.
    case file(isReadable: Bool, isWritable: Bool)
  }

  let descriptor: FileDescriptor
  let kind: Kind

  /// Takes the descriptor over, which is close-on-exec from now on.
  ///
  /// - Parameter name: what to call it in an error.
  init(_ number: Int32, name: String) throws(ChardevError) {
    let flags = fcntl(number, F_GETFD)
    guard number > STDERR_FILENO, flags != -1, flags & FD_CLOEXEC == 0 else {
      throw ChardevError(
        "\(name) is not a descriptor that this process was given, or is in use already; "
          + "give one from 3 on that is open, to one backend only")
    }
    kind = try Self.kind(of: number, name: name)
    _ = fcntl(number, F_SETFD, flags | FD_CLOEXEC)
    descriptor = FileDescriptor(owning: number)
    if case .file = kind { return }
    _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
  }

  private static func kind(of number: Int32, name: String) throws(ChardevError) -> Kind {
    var status = stat()
    guard fstat(number, &status) == 0 else { throw ChardevError("\(name) cannot be examined") }
    switch status.st_mode & S_IFMT {
    case S_IFSOCK: return try socketKind(of: number, name: name)
    case S_IFDIR: throw ChardevError("\(name) is a directory; give a socket, pipe or file")
    default:
      let mode = fcntl(number, F_GETFL) & O_ACCMODE
      return .file(isReadable: mode != O_WRONLY, isWritable: mode != O_RDONLY)
    }
  }

  private static func socketKind(of number: Int32, name: String) throws(ChardevError) -> Kind {
    let type = FileDescriptor.socketOption(number, SO_TYPE) ?? 0
    let isPacketed = type == Int32(SOCK_SEQPACKET.rawValue)
    if FileDescriptor.socketOption(number, SO_ACCEPTCONN) == 1 {
      return .listeningSocket(isPacketed: isPacketed)
    }
    guard SocketAddress.peer(of: number) != nil else {
      throw ChardevError("\(name) is a socket that neither listens nor is connected; give another")
    }
    switch type {
    case Int32(SOCK_DGRAM.rawValue): return .datagramSocket
    case Int32(SOCK_STREAM.rawValue), Int32(SOCK_SEQPACKET.rawValue):
      return .connectedSocket(isPacketed: isPacketed)
    default: throw ChardevError("\(name) is a socket of another kind; give a stream socket")
    }
  }
}

/// The descriptors that systemd, or another program with its protocol, has passed to this process
/// (sd_listen_fds(3)): from 3 on, as many as `LISTEN_FDS` says, named by `LISTEN_FDNAMES`, if
/// `LISTEN_PID` is this process.
struct SocketActivation {
  /// The first one's number.
  private static let first: Int32 = 3
  /// What one without a name is called.
  private static let defaultName = "unknown"

  /// Names in the order of the descriptors.
  let names: [String]

  /// - Parameters:
  ///   - environment: gives a variable's value.
  ///   - process: the process that the descriptors have to be for.
  init(environment: (String) -> String?, process: pid_t) {
    guard environment("LISTEN_PID").flatMap({ pid_t($0) }) == process,
      let count = environment("LISTEN_FDS").flatMap({ Int($0) }), (1...4096).contains(count)
    else {
      names = []
      return
    }
    let given = environment("LISTEN_FDNAMES")?.split(
      separator: ":", omittingEmptySubsequences: false)
    names = (0..<count).map { index in
      guard let given, given.indices.contains(index), !given[index].isEmpty else {
        return Self.defaultName
      }
      return String(given[index])
    }
  }

  /// Of this process.
  init() {
    self.init(environment: { getenv($0).map { String(cString: $0) } }, process: getpid())
  }

  /// The numbers of the descriptors of a name.
  func numbers(of name: String) -> [Int32] {
    names.indices.filter { names[$0] == name }.map { Self.first + Int32($0) }
  }
}
