/// A newcomer is refused while a client is there. One may wait for the bytes of a client that has
/// left to be read.
struct ExclusiveAdmission: AdmissionPolicy {
  func judge(isTaken: Bool, waitingCount: Int) -> Admission {
    isTaken || waitingCount > 0 ? .refused : .waits
  }
}
