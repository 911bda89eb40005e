import CKVM
import Glibc
import Host
import TestSupport
import Testing

@testable import Chardev

/// A front end that writes down what it is told and checks that it is told it properly.
final class RecordingFrontEnd: ChardevDelegate {
  enum Event: Equatable {
    case connected
    case disconnected
  }

  private(set) var events: [Event] = []
  private(set) var received: [UInt8] = []
  private(set) var readableCalls = 0
  private(set) var writableCalls = 0
  /// Whether a readable chardev is read at once, and how much at most.
  var readsAtOnce = true
  var readLimit = 65536
  /// What is done when there is room to write again.
  var whenWritable: () -> Void = {}
  var whenConnected: () -> Void = {}
  var whenDisconnected: () -> Void = {}
  /// Whether the test is inside a call of the chardev, where no delegate call may come from.
  private var isInCall = false
  private(set) var callsFromInside = 0

  let chardev: any Chardev

  init(_ chardev: any Chardev) {
    self.chardev = chardev
    chardev.delegate = self
  }

  func chardevDidConnect(_ chardev: any Chardev) {
    noteCall()
    #expect(chardev.isConnected)
    events.append(.connected)
    whenConnected()
  }

  func chardevDidDisconnect(_ chardev: any Chardev) {
    noteCall()
    #expect(!chardev.isConnected)
    events.append(.disconnected)
    whenDisconnected()
  }

  func chardevIsReadable(_ chardev: any Chardev) {
    noteCall()
    readableCalls += 1
    if readsAtOnce { read() }
  }

  func chardevIsWritable(_ chardev: any Chardev) {
    noteCall()
    writableCalls += 1
    whenWritable()
  }

  /// Reads once, up to `count` bytes.
  @discardableResult
  func read(_ count: Int? = nil) -> TransferResult {
    var buffer = [UInt8](repeating: 0, count: count ?? readLimit)
    let result = buffer.withUnsafeMutableBytes { bytes in
      withSegment(bytes.baseAddress, bytes.count) { segments in
        call { chardev.read(into: segments) }
      }
    }
    if case .transferred(let count) = result { received += buffer.prefix(count) }
    return result
  }

  @discardableResult
  func write(_ text: String) -> TransferResult {
    write(Array(text.utf8))
  }

  @discardableResult
  func write(_ bytes: some Collection<UInt8>) -> TransferResult {
    var bytes = Array(bytes)
    return bytes.withUnsafeMutableBytes { bytes in
      withSegment(bytes.baseAddress, bytes.count) { segments in
        call { chardev.write(segments) }
      }
    }
  }

  /// Writes until the backend has taken nothing for a while: a terminal that is full may make room
  /// once more, as the kernel moves what it holds. Returns how many bytes went.
  func fill() -> Int {
    let block = [UInt8](repeating: UInt8(ascii: "x"), count: 10_000)
    var written = 0
    var refusals = 0
    _ = waitUntil(seconds: 30) {
      refusals += 1
      while case .transferred(let count) = write(block) {
        written += count
        refusals = 0
      }
      return refusals == 10
    }
    return written
  }

  func setWantsReadable(_ wanted: Bool) {
    call { chardev.setInterest(.readable, wanted) }
  }

  func setWantsWritable(_ wanted: Bool) {
    call { chardev.setInterest(.writable, wanted) }
  }

  /// As far as it has been told.
  var isConnectedNow: Bool { events.last == .connected }

  var text: String { String(decoding: received, as: UTF8.self) }

  private func call<R>(_ body: () -> R) -> R {
    let outer = isInCall
    isInCall = true
    defer { isInCall = outer }
    return body()
  }

  private func noteCall() {
    if isInCall { callsFromInside += 1 }
    #expect(!isInCall, "the delegate was called from inside a call of the chardev")
  }
}

func withSegment<R>(
  _ start: UnsafeMutableRawPointer?, _ count: Int, _ body: (UnsafeBufferPointer<iovec>) -> R
) -> R {
  withUnsafePointer(to: iovec(iov_base: start, iov_len: count)) {
    body(UnsafeBufferPointer(start: $0, count: 1))
  }
}

/// This process's descriptors of sockets that are bound to `path`: listeners, and the connections
/// they have accepted.
func openSockets(boundTo path: String) -> [Int32] {
  (0..<1024).filter { number in
    var address = sockaddr_un()
    var length = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
    }
    guard result == 0, address.sun_family == sa_family_t(AF_UNIX) else { return false }
    return withUnsafeBytes(of: &address.sun_path) {
      String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) == path
    }
  }
}

extension DescriptorChardev {
  /// Opens a file for output only, which is created or emptied.
  convenience init(path: String) throws(ChardevError) {
    try self.init(FileConfiguration(output: path))
  }

  var bytesRead: UInt64 { input?.bytesRead ?? 0 }
  var readErrors: UInt64 { input?.readErrors ?? 0 }
  var hasInputEnded: Bool { input?.hasEnded ?? true }
  var bytesWritten: UInt64 { output?.bytesWritten ?? 0 }
  var bytesDiscarded: UInt64 { output?.bytesDiscarded ?? 0 }
}

extension SocketChardev {
  /// Listens at a path, for one client at a time.
  convenience init(path: String) throws(SocketPathError) {
    self.init(SocketListener(try ListeningSocket(path: path)))
  }
}

/// A server with its front end, its loop and its place.
final class ServedSocket {
  let directory: TemporaryDirectory
  let path: String
  let loop: EventLoop
  let server: SocketChardev
  let frontEnd: RecordingFrontEnd
  /// Kept, so that a client leaves when the test says so, and not after its last mention.
  private var clients: [SocketClient] = []

  init(starts: Bool = true) throws {
    loop = try EventLoop()
    directory = try TemporaryDirectory()
    path = directory["port0"]
    server = SocketChardev(SocketListener(try ListeningSocket(path: path)))
    frontEnd = RecordingFrontEnd(server)
    if starts { try server.start(on: loop) }
  }

  deinit {
    server.stop()
  }

  /// Connects a client, and lets the server take notice.
  func connect() throws -> SocketClient {
    let client = try connectUnnoticed()
    loop.settle()
    return client
  }

  /// Connects a client, of which the server hears when the loop turns.
  func connectUnnoticed() throws -> SocketClient {
    let client = try #require(SocketClient(at: path))
    clients.append(client)
    return client
  }
}

extension SocketClient {
  /// Connects at once; nil where no one listens.
  convenience init?(at path: String) {
    guard let place = try? SocketPath(path) else { return nil }
    self.init(at: SocketAddress(place))
  }

  convenience init?(at address: SocketAddress, type: Int32 = Int32(SOCK_STREAM.rawValue)) {
    let descriptor = socket(address.family, type | Int32(SOCK_CLOEXEC.rawValue), 0)
    Self.setTimeLimits(descriptor)
    guard address.withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
      Glibc.close(descriptor)
      return nil
    }
    self.init(adopting: descriptor)
  }
}

/// Sends `text` with a descriptor attached (`SCM_RIGHTS`); returns the errno, 0 for success.
func passDescriptor(_ passed: Int32, along text: String, on socket: Int32) -> Int32 {
  var bytes = Array(text.utf8)
  // struct cmsghdr: length, level, type; then the descriptor, padded to 8 bytes.
  var control: [UInt32] = [20, 0, UInt32(SOL_SOCKET), 1, UInt32(bitPattern: passed), 0]
  return bytes.withUnsafeMutableBytes { bytes in
    control.withUnsafeMutableBytes { control in
      var segment = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
      return withUnsafeMutablePointer(to: &segment) {
        var message = msghdr()
        message.msg_iov = $0
        message.msg_iovlen = 1
        message.msg_control = control.baseAddress
        message.msg_controllen = control.count
        return sendmsg(socket, &message, Int32(MSG_NOSIGNAL)) == bytes.count ? 0 : errno
      }
    }
  }
}
