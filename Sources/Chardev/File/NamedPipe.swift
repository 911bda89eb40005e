import CKVM
import Glibc
import Host

extension DescriptorChardev {
  /// Named pipes (QEMU's `pipe`): `path.in` leads to the guest, `path.out` comes from it. Or else one
  /// pipe at `path`, which takes the output; there is no input then, since it would be that output.
  ///
  /// The pipes are there before, made by `mkfifo`. Each is opened for both directions, which neither
  /// waits for the other side nor has an end: readers and writers come and go, unnoticed, and always
  /// find it connected. Output that is not read fills the pipe and then waits, with this port alone;
  /// it is there for the next reader.
  package convenience init(pipe path: String) throws(ChardevError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ChardevError("the pipe's path is empty or has a NUL byte in it; give another path")
    }
    let pair = (input: path + ".in", output: path + ".out")
    let isPair = access(pair.input, F_OK) == 0 || access(pair.output, F_OK) == 0
    let remedy = isPair ? "mkfifo '\(pair.input)' '\(pair.output)'" : "mkfifo '\(path)'"
    let output = isPair ? pair.output : path
    self.init(
      filename: "pipe",
      input: isPair ? InputEnd(try Self.openPipe(pair.input, remedy: remedy)) : nil,
      output: OutputEnd(name: output, try Self.openPipe(output, remedy: remedy)))
  }

  /// - Parameter remedy: the command that makes what is missing.
  private static func openPipe(_ path: String, remedy: String) throws(ChardevError) -> Stream {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw ChardevError("named pipe '\(path)': \(reason(errno, remedy))")
    }
    // Asked before it is opened, since that may have effects on a device.
    guard status.st_mode & S_IFMT == S_IFIFO else {
      throw ChardevError("'\(path)' is no named pipe; remove it and make one with: \(remedy)")
    }
    do throws(FileRefusal) {
      let pipe = try DirectoryEntry(path).open(O_RDWR)
      // Another user may have put something else there.
      guard fstat(pipe.rawValue, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else {
        throw .system(SystemError("open", errno: EEXIST))
      }
      return Stream(file: pipe)
    } catch {
      guard case .system(let cause) = error else {
        throw ChardevError("named pipe '\(path)': \(error.description); \(error.remedy)")
      }
      throw ChardevError("named pipe '\(path)': \(reason(cause.errno, remedy))")
    }
  }

  private static func reason(_ number: Int32, _ remedy: String) -> String {
    switch number {
    case ENOENT: "there is none; make it with: \(remedy)"
    case EACCES, EPERM: "no permission; choose one that you may both read and write"
    default: "\(SystemError("open", errno: number).reason); choose another path"
    }
  }
}
