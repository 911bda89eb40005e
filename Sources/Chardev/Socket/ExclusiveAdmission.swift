/// A newcomer is refused while a client is there, or waits for the bytes of clients that have left
/// to be read.
struct ExclusiveAdmission: AdmissionPolicy {
  func judge(isTaken: Bool, waitingCount: Int) -> Admission {
    isTaken || waitingCount > 0 ? .refused : .waits
  }
}
