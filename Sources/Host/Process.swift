import CKVM
import Glibc

/// This process, moved to the background: a new process goes on with the program, and the first one
/// waits until that is up, so that its parent learns the result.
package final class Daemon {
  /// A byte through it reports success; its end without one, failure.
  private var pipe: FileDescriptor?

  /// Goes to the background. Returns only in the new process; the first one ends with status 0 after
  /// `detach`, or else with the new one's status. For a process of one thread.
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
    // From now on no terminal's signals reach it.
    setsid()
    pipe = FileDescriptor(owning: ends[1])
  }

  /// Reports success, and replaces the standard streams by `/dev/null`; standard error stays if it is a
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

/// Memory that only a start needs: most of the program's own machine code, and freed heap memory.
package enum TextPages {
  /// Gives the code's pages back to the page cache, from which used ones are mapped again one by one, and
  /// the heap's free pages to the kernel: at the start there are several copies of a thousand ports'
  /// configurations. Callable on any thread.
  package static func release() throws(SystemError) {
    _ = malloc_trim(0)
    let result = clinux_release_program_code()
    if result < 0 { throw SystemError("madvise of the program's code", errno: -result) }
  }
}

/// The three descriptors that a program is started with.
package enum StandardStreams {
  /// Opens `/dev/null` for each that is closed, so that no other file becomes standard input, output or
  /// error. To be called first of all.
  package static func fillGaps() {
    for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) == -1 {
      // This is the lowest free number.
      _ = open("/dev/null", O_RDWR)
    }
  }
}
