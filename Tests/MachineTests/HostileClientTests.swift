import Glibc
import TestSupport
import Testing

/// Clients that misbehave, on a machine that runs.
@Suite(MicroVM.requirement)
struct HostileClientTests {
  @Test("H1: ten thousand clients one after the other, as fast as they can; the next is served")
  func survivesTenThousandConnects() throws {
    let machine = try MicroVM("run=console mode=msix port=a echo=1")
    #expect(machine.says("port 1 opened"))
    let status = ProcessStatus(of: machine.process.pid)
    let descriptors = status.descriptorCount
    for _ in 1...10_000 { try machine.connect().close() }
    let client = try admitted(to: machine)
    #expect(waitUntil { status.descriptorCount <= descriptors + 4 })
    #expect(client.line() == "echo x")
    #expect(machine.status() == 0)
  }

  /// A client that is not refused for one that is still on its way out.
  private func admitted(to machine: MicroVM) throws -> SocketClient {
    while true {
      let client = try machine.connect()
      client.send("x\n")
      var status = pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&status, 1, 10_000) == 1, status.revents & Int16(POLLHUP) != 0 else {
        return client
      }
      if machine.process.waitForEnd(seconds: 0) != nil { return client }
    }
  }

  @Test("A second client is refused at once, and the first one notices nothing")
  func refusesASecondClient() throws {
    let machine = try MicroVM("run=console mode=msix port=a wait=host send=first echo=1")
    let first = try machine.connect()
    #expect(first.line() == "first")
    for _ in 1...20 {
      let second = try machine.connect()
      let start = monotonicSeconds()
      #expect(second.isAtEnd)
      #expect(monotonicSeconds() - start < 1)
    }
    first.send("still here\n")
    #expect(first.line() == "echo still here")
    #expect(machine.status() == 0)
  }

  @Test("Clients that vanish in the middle of a transfer, from both sides")
  func survivesVanishingClients() throws {
    let machine = try MicroVM("run=flood mode=poll port=a wait=host")
    for round in 0..<50 {
      let client = try machine.connect()
      // Bytes that the guest has buffers for; it would be held to read more of them first.
      if round % 10 == 0 { client.send([UInt8](repeating: 0, count: 100)) }
      // Some bytes of many, and gone; a refused client gets none.
      _ = client.receive(100)
      client.close()
    }
    // The first ones may come before the last one's going was noticed.
    #expect(waitUntil { (try? machine.connect().receive(4096).isEmpty) == false })
    let end = machine.process.end(by: SIGTERM)
    #expect(end.ending == .exited(143))
    #expect(end.seconds < 1)
    #expect(machine.directory.entries == [])
  }

  @Test("A socket's file that another program removed or replaced is left alone")
  func leavesForeignFiles() throws {
    let machine = try MicroVM("run=hello end=halt", ports: ["a", "b"])
    #expect(machine.says("done"))
    unlink(machine.directory["a"])
    try machine.directory.makeFile("a")
    #expect(machine.process.end(by: SIGTERM).ending == .exited(143))
    #expect(machine.directory.entries == ["a"])
  }
}
