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
    let result = try Program.run(
      bytes(["run", "--kernel", "kernel", "--virtserialport", "name=a,socket=a"]),
      in: directory, launcher: launcher)
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

  @Test(.enabled(if: HostKVM.canLaunch(missing), "skipped: needs the right to mount"))
  func checksWithoutIt() throws {
    let result = try Program.run(bytes(["check"]), in: directory, launcher: Self.missing)
    #expect(result.status == 1)
    #expect(result.output.contains("/dev/kvm"))
  }
}
