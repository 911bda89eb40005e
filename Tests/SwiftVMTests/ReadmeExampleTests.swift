import SwiftVM
import TestSupport
import Testing

/// The README's Swift example, as the compiler takes it.
private func example() throws {
  // Example: begin
  let image = try GuestImage.locate()
  var configuration = VirtualMachineConfiguration(
    bootLoader: LinuxBootLoader(
      kernelPath: image.kernelPath, commandLine: "console=ttyS0 quiet",
      initialRamdiskPaths: [image.initialRamdiskPath]))
  configuration.serialPort.attachment = .standardIO
  configuration.consoleDevices = [
    VirtioConsoleDeviceConfiguration(ports: [
      VirtioConsolePortConfiguration(
        name: "org.fedoraproject.port.0", attachment: .unixSocketServer(path: "/tmp/port0"))
    ])
  ]
  let outcome = try VirtualMachine(configuration).run()
  print("the guest ended: \(outcome)")
  // Example: end
}

@Suite
struct ReadmeExampleTests {
  @Test("The README's Swift example is the one that is compiled here")
  func isTheCompiledOne() throws {
    let source = try Document("Tests/SwiftVMTests/ReadmeExampleTests.swift").lines
    let compiled = source.drop { $0 != "  // Example: begin" }.dropFirst()
      .prefix { $0 != "  // Example: end" }.map { String($0.dropFirst(2)) }
    let shown = try Document("README.md").code(in: "swift")
    #expect(shown == ["import SwiftVM", ""] + compiled)
  }
}
