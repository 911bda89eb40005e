/// The host end of a port or of the serial line.
public enum SerialPortAttachment: Equatable, Sendable {
  /// Nothing: what the guest writes is discarded, and nothing is ever there to read.
  case none

  /// The process's standard input and output. Where they are a terminal it is made raw while the
  /// machine runs.
  case standardIO

  /// A file that receives what the guest writes; created or emptied at the start.
  case file(path: String)

  /// A Unix stream socket that the machine listens on, for one client at a time.
  case unixSocketServer(path: String)
}
