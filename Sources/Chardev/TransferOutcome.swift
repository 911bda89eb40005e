/// The outcome of one transfer on a descriptor, with the two directions' ends kept apart.
enum TransferOutcome: Equatable {
  case transferred(Int)
  case wouldBlock
  /// The peer writes no more.
  case endOfFile
  /// The call failed for good, with this errno.
  case failed(Int32)
}
