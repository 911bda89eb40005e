import Glibc

/// The three descriptors that a program is started with.
package enum StandardStreams {
  /// Opens `/dev/null` for each that is closed, so that nothing else the program opens becomes its
  /// standard input, output or error. To be called first of all.
  package static func fillGaps() {
    for stream in STDIN_FILENO...STDERR_FILENO where fcntl(stream, F_GETFD) == -1 {
      // The lowest free number is this one.
      _ = open("/dev/null", O_RDWR)
    }
  }
}
