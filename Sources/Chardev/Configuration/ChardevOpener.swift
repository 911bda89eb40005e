import Glibc
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
  /// Whether the front end is a console, whose output is worth a record even while nobody is
  /// connected.
  package var isForConsole: Bool
  /// How long others are waited for.
  package var patience: OpeningPatience
  /// Called when the user types the key that ends the machine.
  package var whenEnded: () -> Void

  package init(
    escape: EscapeKey? = nil, isForConsole: Bool = false, patience: OpeningPatience = .atStart(),
    whenEnded: @escaping () -> Void = {}
  ) {
    self.escape = escape
    self.isForConsole = isForConsole
    self.patience = patience
    self.whenEnded = whenEnded
  }

  /// Opens a host end.
  package func open(
    _ configuration: ChardevConfiguration
  ) throws(ChardevError) -> any Chardev {
    if configuration.isMultiplexed { return try openMultiplexed(configuration).makeEnd() }
    let chardev = try openRecorded(configuration)
    guard configuration.isStandardIO, let escape else { return chardev }
    return MuxChardev(chardev, escape: escape, whenEnded: whenEnded).makeEnd()
  }

  /// Opens a host end for several front ends; each is to have one of its ends.
  package func openMultiplexed(
    _ configuration: ChardevConfiguration
  ) throws(ChardevError) -> MuxChardev {
    MuxChardev(try openRecorded(configuration), whenEnded: whenEnded)
  }

  /// With its record, if there is to be one.
  private func openRecorded(
    _ configuration: ChardevConfiguration
  ) throws(ChardevError) -> any Chardev {
    let chardev = try openBackend(configuration.backend)
    guard let log = configuration.log else { return chardev }
    return try LoggedChardev(chardev, log, takesUnattended: isForConsole)
  }

  private func openBackend(
    _ backend: ChardevConfiguration.Backend
  ) throws(ChardevError) -> any Chardev {
    do {
      switch backend {
      case .null: return NullChardev()
      case .standardIO: return try DescriptorChardev(standardInput: STDIN_FILENO)
      case .socket(let socket): return try SocketOpener(socket, patience: patience).open()
      case .datagram(let datagram):
        return try DatagramOpener(datagram, patience: patience).open()
      case .descriptor(let source): return try DescriptorOpener(source).open()
      case .file(let file): return try DescriptorChardev(file)
      case .pipe(let path): return try DescriptorChardev(pipe: path)
      case .pseudoTerminal(let link): return try PseudoTerminal(link: link, patience: patience)
      case .ringBuffer(let size): return try RingBuffer(size: size)
      case .program(let command): return SocketChardev(try ProgramSource(command: command))
      case .several(let members): return try openSeveral(members)
      }
    } catch let error as ChardevError {
      throw error
    } catch {
      throw ChardevError("\(error)")
    }
  }

  private func openSeveral(_ members: [ChardevConfiguration]) throws(ChardevError) -> any Chardev {
    guard !members.isEmpty else { throw ChardevError("there is no host end; name at least one") }
    var chardevs: [any Chardev] = []
    for member in members { chardevs.append(try open(member)) }
    return HubChardev(chardevs)
  }
}
