import Glibc
import TestSupport
import Testing

/// The program where /dev/kvm is not what it should be.
@Suite
struct KVMAccessTests {
  private static let missing = HostKVM.launcher(changingDevices: "mount -t tmpfs none /dev")
  private static let replaced = HostKVM.launcher(
    changingDevices: "mount --bind /dev/null /dev/kvm")

  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.makeFile("kernel", bytes: KernelFile.elf())
    chmod(directory.path, 0o777)
  }

  private func expectRefusal(_ launcher: [String], _ words: [String]) throws {
    let before = directory.entries
    let result = try RunningProgram(
      swiftvm: ["run", "--kernel", "kernel", "--virtserialport", "name=a,socket=a"],
      in: directory, launcher: launcher
    ).result()
    #expect(result.status == 2)
    #expect(result.output == "")
    #expect(result.errorOutput.hasPrefix("swiftvm: /dev/kvm"), "\(result.errorOutput)")
    #expect(result.errorOutput.utf8.count { $0 == UInt8(ascii: "\n") } == 1)
    for word in words { #expect(result.errorOutput.contains(word)) }
    #expect(directory.entries == before)
  }

  @Test(.enabled(if: HostKVM.canLaunch(missing), "skipped: needs the right to mount"))
  func tellsThatItIsMissing() throws {
    try expectRefusal(Self.missing, ["missing", "kvm_intel or kvm_amd"])
  }

  @Test(.enabled(if: HostKVM.canLaunch(replaced), "skipped: needs the right to mount"))
  func tellsThatItIsSomethingElse() throws {
    try expectRefusal(Self.replaced, ["not KVM's device"])
  }

  @Test(
    .enabled(if: HostKVM.canLaunch(HostKVM.ordinaryUser), "skipped: cannot become another user"),
    .enabled(
      if: !HostKVM.canLaunch(HostKVM.ordinaryUser, ["/usr/bin/test", "-w", "/dev/kvm"]),
      "skipped: everybody may use /dev/kvm here"),
    HostKVM.requirement)
  func tellsThatPermissionIsMissing() throws {
    try expectRefusal(HostKVM.ordinaryUser, ["permission denied", "group"])
  }

  /// Both commands, where nothing but the node's mode keeps an ordinary user away.
  @Test(
    "The advice is one that would work: by the node's owner, group and mode",
    .enabled(
      if: HostKVM.canLaunch(missing + HostKVM.ordinaryUser), "skipped: cannot become another user"),
    arguments: [
      (
        "-m 600", "0:0", "its mode is 0600 and it belongs to root:root, so that no membership helps"
      ),
      (
        "-m 660", "0:0", "its mode is 0660 and it belongs to root:root, so that no membership helps"
      ),
      ("-m 660", "0:1", "it belongs to the group daemon; "),
    ])
  func advisesByModeAndOwner(mode: String, owner: String, advice: String) throws {
    let launcher =
      HostKVM.launcher(
        changingDevices: "mount -t tmpfs none /dev && mknod \(mode) /dev/kvm c 10 232"
          + " && chown \(owner) /dev/kvm") + HostKVM.ordinaryUser
    try expectRefusal(launcher, ["permission denied: " + advice])
    let result = try RunningProgram(swiftvm: ["check"], in: directory, launcher: launcher).result()
    #expect(result.status == 1)
    #expect(result.output.contains(advice))
  }

  @Test(.enabled(if: HostKVM.canLaunch(missing), "skipped: needs the right to mount"))
  func checksWithoutIt() throws {
    let result = try RunningProgram(swiftvm: ["check"], in: directory, launcher: Self.missing)
      .result()
    #expect(result.status == 1)
    #expect(result.output.contains("/dev/kvm"))
  }
}
