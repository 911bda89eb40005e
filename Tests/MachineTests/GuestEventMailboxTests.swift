import Host
import Synchronization
import Testing

@testable import SwiftVM

/// What a guest does faster than the loop turns.
@Suite struct GuestEventMailboxTests {
  private final class Told: Sendable {
    let events = Mutex<[String]>([])

    func add(_ event: GuestEvent) {
      let text =
        switch event {
        case .portChanged(let port, let isOpen): "\(port.id ?? "") \(isOpen ? "opened" : "closed")"
        default: "\(event)"
        }
      events.withLock { $0.append(text) }
    }
  }

  /// A device with ports of these ids.
  private func device(_ ids: [String]) throws -> MachineDevice {
    let ports = ids.map {
      VirtioConsolePortConfiguration(id: $0, name: $0, attachment: .none)
    }
    return try MachineDevice(
      VirtioConsoleDeviceConfiguration(ports: ports), label: "vs0", at: .root, Backends(),
      trace: nil)
  }

  @Test("The latest of each port and of panics is told, once, however often it came")
  func tellsTheLatest() throws {
    let loop = try EventLoop()
    let told = Told()
    let news = GuestEventMailbox(remote: loop.remote) { told.add($0) }
    let device = try device(["a", "b"])
    for round in 0..<10_000 {
      news.portChanged(device.ports[0], isOpen: round % 2 == 0)
      news.portChanged(device.ports[1], isOpen: round % 2 == 1)
      news.panicked(round == 5000 ? .panicked : .crashKernelLoaded)
    }
    loop.turn(timeoutMilliseconds: 0)
    let events = told.events.withLock { $0 }
    #expect(events.count == 3)
    #expect(events.contains("a closed"))
    #expect(events.contains("b opened"))
    #expect(events.last?.contains("panicked") == true)
    news.portChanged(device.ports[0], isOpen: true)
    loop.turn(timeoutMilliseconds: 0)
    #expect(told.events.withLock { $0.last } == "a opened")
    loop.turn(timeoutMilliseconds: 0)
    #expect(told.events.withLock { $0.count } == 4)
  }

  @Test("The first write to a register that ends the guest's life is told, once, after its panic")
  func tellsTheFirstEnd() throws {
    let loop = try EventLoop()
    let told = Told()
    let news = GuestEventMailbox(remote: loop.remote) { told.add($0) }
    for _ in 0..<10_000 {
      news.ended(by: .debugExit(value: 7))
      news.ended(by: .reset)
      news.ended(by: .powerOff)
    }
    news.panicked(.panicked)
    loop.turn(timeoutMilliseconds: 0)
    let events = told.events.withLock { $0 }
    #expect(events.count == 2)
    #expect(events.first?.contains("panicked") == true)
    #expect(events.last == "debugExit(value: 7)")
  }

  @Test("What a guest did last is told although it is gone")
  func outlastsTheGuest() throws {
    let loop = try EventLoop()
    let told = Told()
    let device = try device(["a"])
    GuestEventMailbox(remote: loop.remote) { told.add($0) }
      .portChanged(device.ports[0], isOpen: false)
    loop.turn(timeoutMilliseconds: 0)
    #expect(told.events.withLock { $0 } == ["a closed"])
  }
}
