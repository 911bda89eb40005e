import SwiftVM
import TestSupport
import Testing

@testable import swiftvm_cli

@Suite
struct GuestImageTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
  }

  private func makeImage(_ place: String, kernels: [String] = ["vmlinux"]) throws {
    try directory.makeDirectory(place)
    for kernel in kernels { try directory.makeFile(place + "/" + kernel) }
    try directory.makeFile(place + "/initramfs.cpio")
  }

  /// The kernel found, seen from the test's directory.
  private func kernelFound(executable: String, named: String? = nil) throws -> String {
    let image = try GuestImage.locate(
      namedDirectory: named.map { $0.isEmpty ? "" : directory[$0] },
      executablePath: directory[executable])
    return image.kernelPath.replacing(directory.path + "/", with: "")
  }

  @Test(arguments: ["swiftvm", "bin/swiftvm", ".build/x86_64/debug/swiftvm"])
  func looksBesideAndAboveTheExecutable(executable: String) throws {
    try makeImage("guest-images/build")
    #expect(try kernelFound(executable: executable) == "guest-images/build/vmlinux")
  }

  @Test func prefersTheNearestPlace() throws {
    try makeImage("guest-images/build")
    try makeImage("checkout/guest-images/build")
    #expect(
      try kernelFound(executable: "checkout/.build/swiftvm")
        == "checkout/guest-images/build/vmlinux")
  }

  @Test func prefersVmlinux() throws {
    try makeImage("guest-images/build", kernels: ["vmlinux", "vmlinuz"])
    #expect(try kernelFound(executable: "swiftvm") == "guest-images/build/vmlinux")
  }

  @Test func takesVmlinuz() throws {
    try makeImage("guest-images/build", kernels: ["vmlinuz"])
    #expect(try kernelFound(executable: "swiftvm") == "guest-images/build/vmlinuz")
  }

  @Test func looksWhereItIsInstalled() throws {
    try makeImage("usr/share/swiftvm")
    #expect(try kernelFound(executable: "usr/bin/swiftvm") == "usr/share/swiftvm/vmlinux")
  }

  @Test func prefersACheckoutToAnInstallation() throws {
    try makeImage("usr/share/swiftvm")
    try makeImage("guest-images/build")
    #expect(try kernelFound(executable: "usr/bin/swiftvm") == "guest-images/build/vmlinux")
  }

  @Test func passesAnUnfinishedImageBy() throws {
    try directory.makeDirectory("checkout/guest-images/build")
    try directory.makeFile("checkout/guest-images/build/vmlinux")
    try makeImage("guest-images/build")
    #expect(
      try kernelFound(executable: "checkout/swiftvm") == "guest-images/build/vmlinux")
  }

  @Test func obeysTheEnvironment() throws {
    try makeImage("guest-images/build")
    try makeImage("mine", kernels: ["vmlinuz"])
    #expect(try kernelFound(executable: "swiftvm", named: "mine") == "mine/vmlinuz")
    #expect(try kernelFound(executable: "swiftvm", named: "") == "guest-images/build/vmlinux")
  }

  @Test func looksNowhereElseThanTheEnvironmentSays() throws {
    try makeImage("guest-images/build")
    let error = #expect(throws: ConfigurationError.self) {
      try kernelFound(executable: "swiftvm", named: "empty")
    }
    #expect(
      error.map { UsageError($0).description.replacing(directory.path, with: "DIR") }
        == "SWIFTVM_GUEST_IMAGE DIR/empty: no vmlinux (or vmlinuz) with an initramfs.cpio is there;"
        + " run \"make guest-images\", or give --kernel")
  }

  @Test func saysHowToGetAnImage() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try kernelFound(executable: "bin/swiftvm")
    }
    #expect(
      error.map { UsageError($0).description }
        == "--kernel: not given, and no guest image is built;"
        + " run \"make guest-images\", or give --kernel")
  }
}
