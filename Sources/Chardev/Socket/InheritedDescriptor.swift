import CKVM
import Glibc
import Host

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
          + "give one from 3 on that is open, to one host end only")
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
