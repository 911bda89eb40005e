import Glibc
import TestSupport

/// Moves bytes between files and clients' sockets, all flows at once, on the calling thread.
struct Pump {
  /// One direction of one client.
  private struct Flow {
    let client: SocketClient
    let isSending: Bool
    let file: Int32
    var left: Int
    /// Bytes of the file that the socket did not take yet.
    var pending: ArraySlice<UInt8> = []
  }

  private var flows: [Flow] = []
  private var buffer = [UInt8](repeating: 0, count: 256 << 10)

  /// A file is sent whole.
  mutating func send(_ path: String, to client: SocketClient) throws {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Failure(call: "open \(path)") }
    let count = Int(lseek(file, 0, Int32(SEEK_END)))
    lseek(file, 0, Int32(SEEK_SET))
    flows.append(Flow(client: client, isSending: true, file: file, left: count))
  }

  /// So many bytes are received into a new file.
  mutating func receive(_ count: Int, from client: SocketClient, into path: String) throws {
    let file = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw Failure(call: "open \(path)") }
    flows.append(Flow(client: client, isSending: false, file: file, left: count))
  }

  /// Runs until every flow is done; returns how long that took, in seconds.
  mutating func run(seconds: Double) throws -> Double {
    defer { for flow in flows { close(flow.file) } }
    let start = monotonicSeconds()
    let deadline = Deadline(seconds: seconds)
    while true {
      let unfinished = flows.indices.filter { flows[$0].left > 0 }
      guard !unfinished.isEmpty else { return monotonicSeconds() - start }
      var entries = unfinished.map { index in
        pollfd(
          fd: flows[index].client.descriptor,
          events: Int16(flows[index].isSending ? POLLOUT : POLLIN), revents: 0)
      }
      let lefts = unfinished.map { "\(flows[$0].left)" }.joined(separator: ", ")
      try deadline.poll(&entries, for: "flows with \(lefts) bytes left")
      for (index, entry) in zip(unfinished, entries) where entry.revents != 0 {
        if flows[index].isSending { try sendSome(index) } else { try receiveSome(index) }
      }
    }
  }

  private mutating func sendSome(_ index: Int) throws {
    if flows[index].pending.isEmpty {
      let count = read(flows[index].file, &buffer, buffer.count)
      guard count > 0 else { throw Failure(call: "read of the file to send") }
      flows[index].pending = buffer[..<count]
    }
    let count = try flows[index].client.sendSome(flows[index].pending) ?? 0
    flows[index].pending = flows[index].pending.dropFirst(count)
    flows[index].left -= count
  }

  private mutating func receiveSome(_ index: Int) throws {
    let most = min(buffer.count, flows[index].left)
    let count = recv(flows[index].client.descriptor, &buffer, most, Int32(MSG_DONTWAIT))
    if count < 0, errno == EAGAIN { return }
    guard count > 0 else { throw Failure(call: "recv with \(flows[index].left) bytes left") }
    guard write(flows[index].file, buffer, count) == count else { throw Failure(call: "write") }
    flows[index].left -= count
  }
}
