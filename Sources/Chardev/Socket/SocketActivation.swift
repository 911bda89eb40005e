import CKVM
import Glibc
import Host

/// The descriptors that systemd, or whoever follows its protocol, has passed to this process
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
  ///   - process: whom the descriptors have to be for.
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
