/// What becomes of a client that comes to a socket with one place.
enum Admission {
  /// It is closed at once.
  case refused
  /// It gets the place when its turn comes, which may be at once.
  case waits
  /// It gets the place at once, or when what the last client has left is read; whoever has the
  /// place, and whoever waits, is closed.
  case replaces
}

/// A rule for newcomers, one of `SocketConfiguration.Clients`.
protocol AdmissionPolicy {
  /// - Parameters:
  ///   - isTaken: a client has the place and is still there; one that has left keeps it only until
  ///     its bytes are read.
  ///   - waitingCount: clients that wait already and are still there; one that has left excludes
  ///     no other.
  func judge(isTaken: Bool, waitingCount: Int) -> Admission
}
