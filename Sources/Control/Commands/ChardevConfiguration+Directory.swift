import Chardev

extension ChardevConfiguration {
  /// The same, paths that are not absolute counted from a directory.
  func resolved(in directory: String) -> ChardevConfiguration {
    func absolute(_ path: String) -> String {
      path.utf8.first == UInt8(ascii: "/") ? path : directory + "/" + path
    }
    var resolved = self
    if let log { resolved.log?.path = absolute(log.path) }
    switch backend {
    case .file(var file):
      file.output = file.output.map(absolute)
      file.input = file.input.map(absolute)
      resolved.backend = .file(file)
    case .socket(var socket):
      guard case .unix(let path) = socket.address else { break }
      socket.address = .unix(path: absolute(path))
      resolved.backend = .socket(socket)
    case .pipe(let path): resolved.backend = .pipe(path: absolute(path))
    case .pseudoTerminal(let link):
      resolved.backend = .pseudoTerminal(link: link.map(absolute))
    case .several(let members):
      resolved.backend = .several(members.map { $0.resolved(in: directory) })
    case .null, .standardIO, .datagram, .ringBuffer, .descriptor, .program: break
    }
    return resolved
  }
}
