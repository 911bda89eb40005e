import CKVM
import Glibc
import Host

/// A chardev on named pipes (QEMU's `pipe`): `path.in` leads to the guest, `path.out` comes from it.
/// Or else one pipe at `path`, which takes the output; there is no input then, since it would be
/// that output.
///
/// The pipes are there before, made by `mkfifo`. Each is opened for both directions, which neither
/// waits for anybody nor has an end: readers and writers come and go, unnoticed, and always find it
/// connected. Output that nobody reads fills the pipe and then waits, with this port alone; it is
/// there for the next reader.
package final class PipeChardev: TwoEndedChardev {
  package weak var delegate: (any ChardevDelegate)?
  package let filename = "pipe"
  package let input: InputEnd?
  package let output: OutputEnd?
  package let presence = AlwaysConnected()

  /// Opens the pair, if a file of either name is there, or else the one.
  package init(path: String) throws(ChardevError) {
    SignalSource.ignoreWriteFailures()
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ChardevError("the pipe's path is empty or has a NUL byte in it; give another path")
    }
    let pair = (input: path + ".in", output: path + ".out")
    guard Self.exists(pair.input) || Self.exists(pair.output) else {
      input = nil
      output = OutputEnd(name: path, try Self.open(path, remedy: "mkfifo '\(path)'"))
      return
    }
    let remedy = "mkfifo '\(pair.input)' '\(pair.output)'"
    input = InputEnd(try Self.open(pair.input, remedy: remedy))
    output = OutputEnd(name: pair.output, try Self.open(pair.output, remedy: remedy))
  }

  private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// - Parameter remedy: the command that makes what is missing.
  private static func open(
    _ path: String, remedy: String
  ) throws(ChardevError) -> SharedDescriptor {
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
      return SharedDescriptor(owning: pipe)
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
