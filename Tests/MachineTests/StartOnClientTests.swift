import Chardev
import Glibc
import SwiftVM
import Synchronization
import TestSupport
import Testing

/// `wait=on`: the guest boots once the first client is there.
@Suite(MicroVM.requirement, .timeLimit(.minutes(2)))
struct StartOnClientTests {
  private func configuration(
    _ directory: TemporaryDirectory, commandLine: String, waits: [Bool]
  ) -> VirtualMachineConfiguration {
    let ports = waits.enumerated().map { index, waits in
      let socket = SocketConfiguration(
        .unix(path: directory["port\(index)"]), role: .listening(waitsForClient: waits))
      return VirtioConsolePortConfiguration(
        name: "p\(index)", attachment: ChardevConfiguration(.socket(socket)))
    }
    var configuration = VirtualMachineConfiguration(
      bootLoader: LinuxBootLoader(
        kernelPath: Checkout.microGuest, commandLine: commandLine),
      memorySize: 16 << 20,
      consoleDevices: [VirtioConsoleDeviceConfiguration(ports: ports)])
    configuration.serialPort.attachment = .file(path: directory["serial"])
    return configuration
  }

  @Test("Every socket that waits has its client before the guest runs")
  func bootsOnceEveryClientIsThere() throws {
    let directory = try TemporaryDirectory()
    let machine = try VirtualMachine(
      configuration(directory, commandLine: "run=hello end=poweroff", waits: [true, false, true]))
    let saidBefore = Mutex("")
    let thread = startThread {
      guard let first = try? SocketClient(directory["port0"]) else { return }
      usleep(100_000)
      saidBefore.withLock { $0 = directory.text(of: "serial") }
      let second = try? SocketClient(directory["port2"])
      _ = first.rest()
      withExtendedLifetime(second) {}
    }
    #expect(try machine.run() == .poweredOff)
    pthread_join(thread, nil)
    #expect(saidBefore.withLock { $0 } == "")
    #expect(directory.text(of: "serial").contains("done"))
  }

  @Test("H15, H18: signals end a machine that waits", arguments: [SIGTERM, SIGINT, SIGHUP])
  func isEndedBySignals(signal: Int32) throws {
    let machine = try MicroVM(
      "run=hello", ports: [], options: ["--virtserialport", "name=a,socket=a,wait=on"])
    let line = "swiftvm: waiting for a client of disconnected:unix:a,server=on\n"
    #expect(waitUntil { machine.process.errorOutput == line })
    #expect(machine.process.end(by: signal).ending == .exited(128 + signal))
    #expect(machine.lines.isEmpty)
    #expect(machine.directory.entries == [])
  }

  @Test("A client that leaves before the boot was one; QEMU's words wait unless told not to")
  func bootsForAClientThatHasLeft() throws {
    let machine = try MicroVM(
      "run=hello", ports: [],
      options: [
        "-chardev", "socket,path=a,server=on,id=c", "-device", "virtio-serial", "-device",
        "virtserialport,chardev=c,name=a",
      ])
    let client = try machine.connect()
    client.send("note")
    client.close()
    #expect(machine.says("done"))
    #expect(machine.status() == 0)
  }

  @Test("A machine that waits can be ended")
  func endsWhileItWaits() throws {
    let directory = try TemporaryDirectory()
    let machine = try VirtualMachine(
      configuration(directory, commandLine: "run=hello end=poweroff", waits: [true]))
    let hasEnded = Counter()
    let thread = startThread {
      // Without effect before the machine runs.
      while hasEnded.value == 0 {
        usleep(20_000)
        machine.stop()
      }
    }
    #expect(try machine.run() == .stoppedByUser)
    hasEnded.add(1)
    pthread_join(thread, nil)
    #expect(directory.entries == ["serial"])
    #expect(directory.text(of: "serial") == "")
  }
}
