import Testing

extension StockGuestTests {
  /// Programs that were made for QEMU's ports, unmodified, out of Debian's packages; and the examples.
  @Suite(
    .enabled(if: ProgramImage.obstacle == nil, Comment(rawValue: ProgramImage.obstacle ?? "")),
    .guest(
      Guest.Options(
        ports: ProgramPort.all, arguments: ["--cpus", "2"], hasPrograms: true)))
  struct ProgramTests {
    typealias Port = ProgramPort

    let guest: Guest
    let agent: Agent

    init() throws {
      guest = try Guest.current
      agent = try guest.agent
    }

    static func path(_ port: String) -> String { "/dev/virtio-ports/" + port }
  }
}

/// The ports of that guest.
enum ProgramPort {
  static let guestAgent = "org.qemu.guest_agent.0"
  static let spice = "com.redhat.spice.0"
  static let example = "org.fedoraproject.port.0"
  static let spliced = "org.example.spliced"
  static let all = [guestAgent, spice, example, spliced]
}
