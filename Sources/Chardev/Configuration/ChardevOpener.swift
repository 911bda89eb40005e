import Host

/// Why a host end cannot be made, in a clause that names the path, address or number.
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
  /// Called when the user types the key that ends the machine.
  package var whenEnded: () -> Void

  package init(escape: EscapeKey? = nil, whenEnded: @escaping () -> Void = {}) {
    self.escape = escape
    self.whenEnded = whenEnded
  }

  /// Opens a host end.
  package func open(
    _ configuration: ChardevConfiguration
  ) throws(ChardevError) -> any Chardev {
    do {
      switch configuration.backend {
      case .null: return NullChardev()
      case .standardIO: return try StandardIO(escape: escape, whenEnded: whenEnded)
      case .socket(let socket): return try SocketOpener(socket).open()
      case .datagram(let datagram): return try DatagramOpener(datagram).open()
      case .descriptor(let source): return try DescriptorOpener(source).open()
      case .file(let file): return try openFile(file)
      default: throw ChardevError("this host end is not supported")
      }
    } catch let error as ChardevError {
      throw error
    } catch {
      throw ChardevError("\(error)")
    }
  }

  private func openFile(_ file: FileConfiguration) throws -> any Chardev {
    guard let output = file.output else { throw ChardevError("this file is not supported") }
    return try FileSink(path: output)
  }
}
