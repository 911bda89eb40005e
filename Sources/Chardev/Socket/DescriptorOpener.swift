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

  /// The descriptor to take; of several of one name the first that nobody has taken.
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
