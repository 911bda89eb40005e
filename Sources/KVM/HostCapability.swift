import Host

/// What the host's KVM can run.
package enum HostCapability: Equatable, Sendable {
  /// Stock kernels.
  case full
  /// Only small guests: KVM interprets kernel code and lacks instructions every Linux kernel uses.
  case smallGuestsOnly(reason: String)
  /// Nothing; with what to do about it.
  case unavailable(reason: String)

  /// Finds out by running a few instructions of the kind a kernel needs in a machine of its own.
  ///
  /// Takes milliseconds; never more than about two seconds.
  package static func probe(path: String = "/dev/kvm") -> HostCapability {
    let hypervisor: Hypervisor
    do throws(HypervisorError) {
      hypervisor = try Hypervisor(path: path)
    } catch {
      return .unavailable(reason: error.description)
    }
    do throws(SystemError) {
      let result = try InstructionProbe.run(on: hypervisor, seconds: 2)
      return judge(result)
    } catch {
      return .unavailable(reason: "/dev/kvm opens but no machine runs on it: \(error)")
    }
  }

  private static func judge(_ result: InstructionProbe.Result) -> HostCapability {
    switch (result.end, result.stage) {
    case (.halted, .finished):
      return .full
    case (.internalError(let report), let stage):
      let name = report.interpreterLimit ?? stage.next
      return .smallGuestsOnly(
        reason: "it interprets kernel code and does not know \(name), which every Linux kernel uses"
      )
    case (.stopped, let stage):
      return .smallGuestsOnly(reason: "\(stage.next) did not finish in time")
    case (let end, let stage):
      return .smallGuestsOnly(reason: "\(stage.next) failed: \(end)")
    }
  }
}
