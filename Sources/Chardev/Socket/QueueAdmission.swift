/// Newcomers wait for their turns, in the order of their coming, what they send in their own
/// sockets; one that comes when the queue is full is refused.
struct QueueAdmission: AdmissionPolicy {
  /// How many may wait.
  static let capacity = 16

  func judge(isTaken: Bool, waitingCount: Int) -> Admission {
    waitingCount < Self.capacity ? .waits : .refused
  }
}
