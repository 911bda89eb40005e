import Glibc
import TestSupport
import Testing

/// Whatever a backend does not take is counted, wherever it was lost.
@Suite(MicroVM.requirement)
struct LossTests {
  /// The words of the first line of `--stats` that begins so, after its titles.
  private func row(_ start: String, of machine: MicroVM) throws -> [Substring] {
    let lines = machine.process.errorOutput.split(separator: "\n").filter { $0.hasPrefix(start) }
    return try #require(lines.first).split(separator: " ")
  }

  private static let backends = [
    "file=/dev/full", "file=/dev/full,log=record", "file=/dev/full,chardev-id=x", "udp=127.0.0.1:9",
    "exec=true,on-host-close=discard", "exec=head -c 20000 >/dev/null,on-host-close=discard",
    "exec=cat >/dev/null", "null", "ringbuf=64K", "file=out,rotate-size=4096", "socket=a",
  ]

  @Test(
    "All that the guest wrote was taken by the backend, dropped or discarded",
    arguments: backends, ["--virtserialport", "--virtconsole"])
  func sumsFit(hostEnd: String, kind: String) throws {
    if kind == "--virtconsole", hostEnd.contains("on-host-close") { return }
    let name = kind == "--virtconsole" ? "" : "name=a,"
    let port = kind == "--virtconsole" ? "" : " port=a"
    let machine = try MicroVM(
      "run=flood mode=poll bytes=100000 end=poweroff" + port, ports: [],
      options: [kind, name + hostEnd, "--stats"])
    let client = hostEnd == "socket=a" ? try machine.connect() : nil
    let reader = client.map { client in
      startThread { [descriptor = client.descriptor] in
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while read(descriptor, &buffer, buffer.count) > 0 {}
      }
    }
    #expect(machine.status() == 0)
    if let reader { pthread_join(reader, nil) }
    let sums = try row("stats: virtio-serial0", of: machine).suffix(6).compactMap { Int($0) }
    let queue = try #require(
      machine.process.errorOutput.split(separator: "\n")
        .first { $0.hasPrefix("queues: ") && $0.contains(" transmit ") && !$0.contains("control") })
    let written = try #require(Int(queue.split(separator: " ")[5]))
    #expect(written == 100_000)
    let (toHost, dropped, discarded) = (sums[0], sums[2], sums[3])
    #expect(toHost + dropped + discarded == written)
    if hostEnd.hasPrefix("file=/dev/full") { #expect((toHost, dropped) == (0, written)) }
    if ["null", "ringbuf=64K", "file=out,rotate-size=4096"].contains(hostEnd) {
      #expect(toHost == written)
    }
  }

  @Test("What a serial socket loses to a client that does not read is told while and after it runs")
  func serialSocket() throws {
    let machine = try MicroVM(
      "run=chatter lines=48000", ports: [],
      options: [
        "--serial", "socket=s", "--stats", "--qmp", "unix:qmp,server=on,wait=off",
      ])
    let client = try machine.connect("s")
    let control = try QMPClient(machine.directory["qmp"])
    func dropped() -> Int {
      let ports = control.ask("x-swiftvm-query-ports") ?? ""
      let serial = ports.components(after: #""device": "serial""#)
      return serial?.components(after: #""bytes-dropped": "#).flatMap {
        Int($0.prefix { $0.isNumber })
      } ?? -1
    }
    #expect(waitUntil { dropped() > 0 })
    let reader = startThread { [descriptor = client.descriptor] in
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      while read(descriptor, &buffer, buffer.count) > 0 {}
    }
    #expect(machine.process.waitForEnd(seconds: 60) != nil)
    pthread_join(reader, nil)
    let serial = try row("serial: serial", of: machine).suffix(4).compactMap { Int($0) }
    #expect(serial[2] > 0)
    #expect(serial[0] + serial[2] + serial[3] >= 48000 * 64)
  }
}

extension String {
  /// What follows a text; nil where it is not.
  fileprivate func components(after text: String) -> String? {
    ranges(of: text).first.map { String(self[$0.upperBound...]) }
  }
}
