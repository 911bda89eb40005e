/// A newcomer takes the place of the client before, which reads its end of file; what that one has
/// sent and the guest has not read is lost with it.
struct TakeoverAdmission: AdmissionPolicy {
  func judge(isTaken: Bool, waitingCount: Int) -> Admission { .replaces }
}
