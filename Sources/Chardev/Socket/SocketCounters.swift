/// What has happened at a socket so far.
package struct SocketCounters: Equatable, Sendable {
  /// Clients taken, or connections made; those passed over included.
  package var acceptedClients: UInt64 = 0
  /// Clients closed at once because no place was free.
  package var refusedClients: UInt64 = 0
  /// Clients closed at once because their users may not connect.
  package var deniedClients: UInt64 = 0
  /// Clients that had to wait for their turn.
  package var queuedClients: UInt64 = 0
  /// Clients that lost their place to a newcomer, or were too slow for the others.
  package var dismissedClients: UInt64 = 0
  /// Times that accepting failed for want of descriptors or memory.
  package var acceptFailures: UInt64 = 0
  /// Times that connecting failed.
  package var connectFailures: UInt64 = 0
  /// Bytes from clients.
  package var bytesRead: UInt64 = 0
  /// Bytes to clients.
  package var bytesWritten: UInt64 = 0
}
