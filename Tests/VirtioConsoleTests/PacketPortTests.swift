import CKVM
import Chardev
import Glibc
import TestSupport
import Testing
import VirtioConsole

/// A port on a socket of packets: a guest's buffer is a packet, and a packet is a guest's buffer.
@Suite(.timeLimit(.minutes(1)))
struct PacketPortTests {
  private final class PacketPort {
    let driver: MockConsoleDriver
    let chardev: any Chardev
    let client: Int32

    init() throws {
      var pair: [Int32] = [0, 0]
      try #require(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &pair) == 0)
      client = pair[1]
      driver = try MockConsoleDriver(names: [], lastPort: 1)
      chardev = try ChardevOpener().open(ChardevConfiguration(.descriptor(.number(pair[0]))))
      try chardev.start(on: driver.loop)
      try driver.device.addPort(PortConfiguration(name: "a"), chardev: chardev)
      driver.bringUp()
      driver.settle()
    }

    deinit {
      chardev.stop()
      close(client)
    }

    /// The next packet; nil where none is there.
    func receive() -> [UInt8]? {
      var bytes = [UInt8](repeating: 0, count: 1 << 17)
      let count = recv(client, &bytes, bytes.count, Int32(MSG_DONTWAIT))
      return count < 0 ? nil : Array(bytes.prefix(count))
    }

    func send(_ bytes: [UInt8]) {
      #expect(Glibc.send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }
  }

  @Test("Buffers that are available together are sent as so many packets")
  func eachBufferIsAPacket() throws {
    let port = try PacketPort()
    port.driver.flood(port: 1, chains: 2)
    port.driver.settle()
    #expect(port.receive()?.count == 65536)
    port.driver.settle()
    #expect(port.receive()?.count == 65536)
    port.driver.send([1, 2, 3], port: 1)
    port.driver.send([4], port: 1)
    #expect(port.receive() == [1, 2, 3])
    #expect(port.receive() == [4])
    #expect(port.receive() == nil)
  }

  @Test("A packet ends a buffer; a longer one than the buffer goes on in the next")
  func eachPacketEndsABuffer() throws {
    let port = try PacketPort()
    port.send([1, 2, 3])
    port.send([4])
    port.send(Array(0..<200))
    for slot in 0..<5 { port.driver.offerReceiveBuffer(port: 1, slot: slot, length: 128) }
    port.driver.settle()
    let received = port.driver.takeReceived(port: 1)
    #expect(received == [[1, 2, 3], [4], Array(0..<128), Array(128..<200)])
  }
}
