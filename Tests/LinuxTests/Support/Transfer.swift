import Testing

/// A client's port, with a file to send and one to receive into.
struct Transfer {
  let port: String
  let seed: Int
  let guest: Guest

  var job: String { "transfer\(seed)" }
  var sent: String { guest.file("sent\(seed)") }
  var received: String { guest.file("received\(seed)") }

  /// The guest sends and receives at once; so does the client, from the pump's run on.
  func start(mebibytes: Int, pump: inout Pump) throws {
    try Tool.makeRandomFile(sent, mebibytes: mebibytes)
    try guest.agent.start(
      job,
      "exec 3<>/dev/virtio-ports/\(port); vport wait - host <&3 >/dev/null;"
        + " vport duplex - \(mebibytes)M \(seed) <&3")
    let client = try guest.connect(port)
    try pump.send(sent, to: client)
    try pump.receive(mebibytes << 20, from: client, into: received)
  }

  /// Both ends saw the same bytes.
  func check(mebibytes: Int) throws {
    let report = try guest.agent.finish(job).split(separator: "\n").map(String.init)
    let bytes = mebibytes << 20
    #expect(report.contains("received \(bytes) sha256 \(try Tool.sha256(ofFile: sent))"))
    #expect(report.contains("sent \(bytes) sha256 \(try Tool.sha256(ofFile: received))"))
  }
}
