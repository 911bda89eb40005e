import CKVM
import Glibc

/// This process, moved to the background: a new one goes on with the program while the one before
/// waits until that is up, so that whoever started it learns how that went.
package final class Daemon {
  /// A byte through it says that all is well; its end without one, that it is not.
  private var pipe: FileDescriptor?

  /// Goes to the background. Returns in the new process alone; the one before ends with status 0
  /// after `detach`, or else with the new one's status. For a process of one thread.
  package init() throws(SystemError) {
    var ends: [Int32] = [-1, -1]
    guard Glibc.pipe(&ends) == 0 else { throw .current("pipe") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let process = clinux_fork()
    let failure = SystemError("fork", errno: -process)
    if process > 0 {
      close(ends[1])
      Daemon.wait(for: process, ends[0])
    }
    close(ends[0])
    guard process == 0 else {
      close(ends[1])
      throw failure
    }
    // No terminal's signals reach it from now on.
    setsid()
    pipe = FileDescriptor(owning: ends[1])
  }

  /// Says that all is well, and lets go of the standard streams; standard error stays where it is a
  /// file. To be called once.
  package func detach() {
    guard let pipe = pipe.take() else { return }
    var status = stat()
    let keepsError = fstat(STDERR_FILENO, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    let nothing = open("/dev/null", O_RDWR | O_CLOEXEC)
    if nothing >= 0 {
      for stream in [STDIN_FILENO, STDOUT_FILENO] + (keepsError ? [] : [STDERR_FILENO]) {
        dup2(nothing, stream)
      }
      if nothing > STDERR_FILENO { close(nothing) }
    }
    _ = write(pipe.rawValue, "+", 1)
  }

  private static func wait(for process: pid_t, _ pipe: Int32) -> Never {
    var byte: UInt8 = 0
    var count = -1
    repeat { count = read(pipe, &byte, 1) } while count < 0 && errno == EINTR
    if count == 1 { _exit(0) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    let signal = status & 0x7f
    _exit(signal == 0 ? (status >> 8) & 0xff : 128 + signal)
  }
}
