import Glibc

/// The built executable, run as a user would.
struct Program {
  struct Result {
    /// The exit status, or nil where a signal ended the program.
    let status: Int32?
    let output: String
    let errorOutput: String
  }

  struct Failure: Error {
    let call: String
    let errno: Int32
  }

  /// Beside the test bundle.
  static func path() throws -> String {
    guard let bundle = realpath("/proc/self/exe", nil) else {
      throw Failure(call: "realpath", errno: errno)
    }
    defer { free(bundle) }
    let directory = String(cString: bundle).split(separator: "/").dropLast()
    let path = "/" + directory.joined(separator: "/") + "/swiftvm"
    guard access(path, X_OK) == 0 else { throw Failure(call: "access " + path, errno: errno) }
    return path
  }

  /// Runs the program to its end in a directory, with nothing to read and only the variables given.
  static func run(
    _ words: [[UInt8]], in directory: TemporaryDirectory, environment: [String] = []
  ) throws -> Result {
    let results = try TemporaryDirectory()
    // env(1) changes the directory; spawn attributes that do are not in every C library.
    let leading = ["/usr/bin/env", "-C", directory.path, "--", try path()]
    let status = try spawn(
      leading.map { Array($0.utf8) } + words, environment: environment,
      output: results["output"], errorOutput: results["error"])
    return Result(
      status: status, output: try contents(of: results["output"]),
      errorOutput: try contents(of: results["error"]))
  }

  private static func spawn(
    _ words: [[UInt8]], environment: [String], output: String, errorOutput: String
  ) throws -> Int32? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_CREAT | O_WRONLY, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errorOutput, O_CREAT | O_WRONLY, 0o600)

    let arguments = words.map(cString) + [nil]
    let variables = environment.map { cString(Array($0.utf8)) } + [nil]
    defer { for string in arguments + variables { free(string) } }
    var pid: pid_t = 0
    let result = posix_spawn(&pid, "/usr/bin/env", &actions, nil, arguments, variables)
    guard result == 0 else { throw Failure(call: "posix_spawn", errno: result) }
    var status: Int32 = 0
    while waitpid(pid, &status, 0) < 0 {
      guard errno == EINTR else { throw Failure(call: "waitpid", errno: errno) }
    }
    return status & 0x7f == 0 ? (status >> 8) & 0xff : nil
  }

  private static func cString(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar>? {
    bytes.withUnsafeBytes { source in
      let copy = UnsafeMutableRawBufferPointer.allocateByMalloc(byteCount: bytes.count + 1)
      copy?.copyMemory(from: source)
      copy?[bytes.count] = 0
      return copy?.baseAddress?.assumingMemoryBound(to: CChar.self)
    }
  }

  private static func contents(of path: String) throws -> String {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw Failure(call: "open", errno: errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
      bytes += buffer.prefix(count)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Memory that `free` gives back.
  fileprivate static func allocateByMalloc(byteCount: Int) -> UnsafeMutableRawBufferPointer? {
    malloc(byteCount).map { UnsafeMutableRawBufferPointer(start: $0, count: byteCount) }
  }
}
