import Glibc
import Host
import Synchronization
import TestSupport
import Testing

@testable import SwiftVM

@Suite
struct LoopExecutorTests {
  /// Makes a call on another thread; `result` waits for what it returned.
  private final class Caller: Sendable {
    private let thread: pthread_t
    private let value: Slot

    init(_ body: @escaping @Sendable () -> Int) {
      let slot = Slot()
      value = slot
      thread = startThread { slot.set(body()) }
    }

    func result() -> Int? {
      pthread_join(thread, nil)
      return value.get()
    }
  }

  private final class Slot: Sendable {
    private let value = Mutex<Int?>(nil)
    func set(_ number: Int) { value.withLock { $0 = number } }
    func get() -> Int? { value.withLock { $0 } }
  }

  @Test func callsHereBeforeAndAfterTheLoop() throws {
    let gate = LoopExecutor(remote: try EventLoop().remote)
    #expect(gate.perform { 1 } == 1)
    gate.begin()
    gate.end()
    #expect(gate.perform { 2 } == 2)
  }

  @Test func callsOnTheLoopsThread() throws {
    let loop = try EventLoop()
    let gate = LoopExecutor(remote: loop.remote)
    gate.begin()
    let here = UInt(bitPattern: Int(pthread_self()))
    #expect(gate.perform { 1 } == 1)
    let remote = loop.remote
    let caller = Caller {
      let thread = gate.perform { UInt(bitPattern: Int(pthread_self())) }
      remote.stop()
      return thread == here ? 1 : 0
    }
    loop.run()
    gate.end()
    #expect(caller.result() == 1)
  }

  @Test("A call that the loop does not come to any more is made at its end")
  func leavesNoCallWaiting() throws {
    let loop = try EventLoop()
    let gate = LoopExecutor(remote: loop.remote)
    gate.begin()
    let isCalling = Slot()
    let caller = Caller {
      isCalling.set(1)
      return gate.perform { 7 }
    }
    while isCalling.get() == nil { sched_yield() }
    gate.end()
    #expect(caller.result() == 7)
  }
}
