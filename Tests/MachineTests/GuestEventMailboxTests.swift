import Host
import Synchronization
import Testing

@testable import SwiftVM

/// What a guest does faster than the loop turns.
@Suite struct GuestEventMailboxTests {
  private final class Told: Sendable {
    let events = Mutex<[GuestEvent]>([])
  }

  @Test("The latest of each port and of panics is told, once, however often it came")
  func tellsTheLatest() throws {
    let loop = try EventLoop()
    let told = Told()
    let news = GuestEventMailbox(remote: loop.remote) { event in
      told.events.withLock { $0.append(event) }
    }
    for round in 0..<10_000 {
      news.portChanged(id: "a", isOpen: round % 2 == 0)
      news.portChanged(id: "b", isOpen: round % 2 == 1)
      news.panicked(round == 5000 ? .panicked : .crashKernelLoaded)
    }
    loop.turn(timeoutMilliseconds: 0)
    let events = told.events.withLock { $0 }
    #expect(events.count == 3)
    #expect(events.contains(.portChanged(id: "a", isOpen: false)))
    #expect(events.contains(.portChanged(id: "b", isOpen: true)))
    #expect(events.contains(.panic(.panicked)))
    news.portChanged(id: "a", isOpen: true)
    loop.turn(timeoutMilliseconds: 0)
    #expect(told.events.withLock { $0.last } == .portChanged(id: "a", isOpen: true))
    loop.turn(timeoutMilliseconds: 0)
    #expect(told.events.withLock { $0.count } == 4)
  }

  @Test("The first write to a register that ends the guest's life is told, once, after its panic")
  func tellsTheFirstEnd() throws {
    let loop = try EventLoop()
    let told = Told()
    let news = GuestEventMailbox(remote: loop.remote) { event in
      told.events.withLock { $0.append(event) }
    }
    for _ in 0..<10_000 {
      news.ended(by: .debugExit(value: 7))
      news.ended(by: .reset)
      news.ended(by: .powerOff)
    }
    news.panicked(.panicked)
    loop.turn(timeoutMilliseconds: 0)
    #expect(told.events.withLock { $0 } == [.panic(.panicked), .debugExit(value: 7)])
  }

  @Test("What a guest did last is told although it is gone")
  func outlastsTheGuest() throws {
    let loop = try EventLoop()
    let told = Told()
    GuestEventMailbox(remote: loop.remote) { event in told.events.withLock { $0.append(event) } }
      .portChanged(id: "a", isOpen: false)
    loop.turn(timeoutMilliseconds: 0)
    #expect(told.events.withLock { $0 } == [.portChanged(id: "a", isOpen: false)])
  }
}
