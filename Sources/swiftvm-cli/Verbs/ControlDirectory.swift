import Glibc
import Host

/// Where machines with a name have their control sockets: a directory of the user's alone.
struct ControlDirectory: Equatable, Sendable {
  private static let suffix = ".sock"

  let path: String

  /// The user's: `$XDG_RUNTIME_DIR/swiftvm`, else `/run/user/UID/swiftvm`, else `/tmp/swiftvm-UID`.
  static var ofUser: ControlDirectory {
    let named = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) } ?? ""
    let runtime = named.isEmpty ? "/run/user/\(geteuid())" : named
    let isThere = !named.isEmpty || access(runtime, W_OK | X_OK) == 0
    return ControlDirectory(
      path: isThere ? runtime + "/swiftvm" : "/tmp/swiftvm-\(geteuid())")
  }

  func socket(of name: String) -> String { path + "/" + name + Self.suffix }

  func make() throws(ControlError) {
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
      throw ControlError("\(path): \(SystemError.current("mkdir"))")
    }
    try check()
  }

  /// Makes sure that no other user can have put anything there.
  func check() throws(ControlError) {
    var status = stat()
    guard lstat(path, &status) == 0 else {
      throw ControlError("\(path): \(SystemError.current("lstat"))")
    }
    guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
      status.st_mode & 0o077 == 0
    else {
      throw ControlError(
        "\(path) is not a directory of this user's alone; remove it, or make it so by chmod 700")
    }
  }

  /// The names of the machines that may be running, sorted; none where there is no such directory.
  var names: [String] {
    guard (try? check()) != nil, let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name.hasSuffix(Self.suffix) { names.append(String(name.dropLast(Self.suffix.count))) }
    }
    return names.sorted()
  }

  /// The names of those that listen.
  var runningMachines: [String] { names.filter { ControlSession.isListening(at: socket(of: $0)) } }
}

/// Why a running machine could not be made to do something: one line for the user.
struct ControlError: Error, Equatable, Sendable, CustomStringConvertible {
  let description: String
  /// Whether standard error has the line already.
  let isTold: Bool

  init(_ description: String, isTold: Bool = false) {
    (self.description, self.isTold) = (description, isTold)
  }
}
