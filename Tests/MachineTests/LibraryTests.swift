import Glibc
import SwiftVM
import Synchronization
import TestSupport
import Testing

/// The library, in this process.
@Suite(MicroVM.requirement)
struct LibraryTests {
  private func configuration(
    _ commandLine: String, devices: [[String]], in directory: TemporaryDirectory
  ) -> VirtualMachineConfiguration {
    VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(
        kernelPath: Checkout.microGuest, commandLine: commandLine),
      memorySize: 16 << 20,
      consoleDevices: devices.map { names in
        VirtioConsoleDeviceConfiguration(
          ports: names.map {
            VirtioConsolePortConfiguration(
              name: $0, attachment: .unixSocketServer(path: directory[$0]))
          })
      })
  }

  @Test("Several devices, the last of which shares its interrupt line with the first")
  func runsSeveralDevices() throws {
    let directory = try TemporaryDirectory()
    let configuration = configuration(
      "run=console mode=intx device=8 port=p8 wait=host send=ninth echo=1",
      devices: (0...8).map { ["p\($0)"] }, in: directory)
    let machine = try VirtualMachine(configuration)
    #expect(directory.entries == (0...8).map { "p\($0)" })
    let path = directory["p8"]
    let answers = Answers()
    let thread = startThread {
      guard let client = try? SocketClient(path) else { return }
      answers.add(client.line())
      client.send("x\n")
      answers.add(client.line())
    }
    #expect(try machine.run() == .poweredOff)
    pthread_join(thread, nil)
    #expect(answers.all == ["ninth", "echo x"])
    #expect(directory.entries == [])
  }

  @Test(
    "A machine runs once: a second run() throws at once, on any thread, while it runs and after")
  func runsOnce() throws {
    let directory = try TemporaryDirectory()
    let machine = try VirtualMachine(
      configuration(
        "run=console mode=msix port=a wait=host send=ready echo=1", devices: [["a"]], in: directory)
    )
    let first = Outcomes()
    let thread = startThread { first.add(Result { try machine.run() }) }
    let client = try SocketClient(directory["a"])
    #expect(client.line() == "ready")
    #expect(throws: ConfigurationError.self) { try machine.run() }
    client.send("x\n")
    #expect(client.line() == "echo x")
    pthread_join(thread, nil)
    #expect(try first.all.map { try $0.get() } == [.poweredOff])
    #expect(throws: ConfigurationError.self) { try machine.run() }
  }

  @Test("A machine that is never run takes its sockets along")
  func leavesNothing() throws {
    let directory = try TemporaryDirectory()
    do {
      let machine = try VirtualMachine(
        configuration("run=hello", devices: [["a"], ["b", "c"]], in: directory))
      #expect(directory.entries == ["a", "b", "c"])
      _ = consume machine
    }
    #expect(directory.entries == [])
  }
}

private final class Outcomes: Sendable {
  private let outcomes = Mutex<[Result<VirtualMachineOutcome, any Error>]>([])
  var all: [Result<VirtualMachineOutcome, any Error>] { outcomes.withLock { $0 } }
  func add(_ outcome: sending Result<VirtualMachineOutcome, any Error>) {
    let outcome = outcome
    outcomes.withLock { $0.append(outcome) }
  }
}

private final class Answers: Sendable {
  private let lines = Mutex<[String?]>([])
  var all: [String?] { lines.withLock { $0 } }
  func add(_ line: String?) { lines.withLock { $0.append(line) } }
}
