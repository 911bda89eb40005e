import Chardev
import Host

/// Tells the user where pseudo-terminals are, which nobody can know before.
struct TerminalNotes {
  // String keys: paths that this program has from the kernel.
  private var told: Set<String> = []

  /// Notes where a host end's terminal is, if it is one, once and in QEMU's words.
  mutating func note(_ chardev: any Chardev, label: String) {
    guard let path = ClientConnection.terminalPath(of: chardev), told.insert(path).inserted
    else { return }
    Log.note("char device redirected to \(path) (label \(label))")
  }
}
