import Glibc
import Host
import Synchronization
import TestSupport
import Testing
import VirtioConsole

@testable import SwiftVM

/// The buffer between a vCPU that prints and a backend that is slow.
@Suite struct SerialConsoleTests {
  private static let capacity = 1 << 20

  /// A console whose backend takes nothing yet, and what a vCPU does with it.
  private final class Rig {
    let loop: EventLoop
    let chardev = ScriptedChardev()
    let console: SerialConsole
    private let printed = Counter()

    init(waits: Bool) throws {
      loop = try EventLoop()
      console = SerialConsole(
        chardev, waitsForReader: waits, loop: loop, faults: KernelFaultRecord())
      console.holdWriters()
      chardev.connect()
      chardev.writeRoom = 0
    }

    /// Prints on a thread of its own.
    func startPrinting(_ count: Int) -> pthread_t {
      let (console, printed) = (console, printed)
      return startThread {
        for number in 0..<count {
          console.write(UInt8(truncatingIfNeeded: number))
          printed.add(1)
        }
      }
    }

    var printedCount: Int { printed.value }
  }

  @Test("overflow=wait: a vCPU waits for the reader, which gets everything")
  func waits() throws {
    let rig = try Rig(waits: true)
    let count = 2 * SerialConsoleTests.capacity + 5
    let thread = rig.startPrinting(count)
    #expect(waitUntil { rig.printedCount == Self.capacity })
    rig.loop.settle()
    // What the loop has taken out of the buffer made room for as much.
    #expect(waitUntil { rig.printedCount == 2 * Self.capacity })
    usleep(50_000)
    #expect(rig.printedCount == 2 * Self.capacity)
    rig.chardev.takeMore(.max)
    #expect(rig.loop.turn { rig.chardev.received.count == count })
    pthread_join(thread, nil)
    #expect(rig.console.droppedByteCount == 0)
    #expect(
      rig.chardev.received.enumerated().allSatisfy { $1 == UInt8(truncatingIfNeeded: $0) })
  }

  @Test("A vCPU that is to leave the guest is let go, and what it prints is kept")
  func letsGo() throws {
    let rig = try Rig(waits: true)
    let thread = rig.startPrinting(Self.capacity + 4096)
    #expect(waitUntil { rig.printedCount == Self.capacity })
    usleep(20_000)
    #expect(rig.printedCount == Self.capacity)
    rig.console.letWritersGo()
    pthread_join(thread, nil)
    rig.chardev.writeRoom = .max
    #expect(!rig.console.flush())
    #expect(rig.chardev.received.count == Self.capacity + 4096)
    #expect(rig.console.droppedByteCount == 0)
  }

  @Test("Without it the vCPU goes on, and what does not fit is dropped and counted")
  func drops() throws {
    let rig = try Rig(waits: false)
    pthread_join(rig.startPrinting(Self.capacity + 7), nil)
    #expect(rig.console.droppedByteCount == 7)
  }
}
