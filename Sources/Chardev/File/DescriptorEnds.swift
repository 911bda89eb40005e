import CKVM
import Glibc
import Host

/// The reading half of a chardev whose input is a terminal, pipe or file. After its end, nothing is
/// watched any more.
final class InputEnd {
  /// How long reading rests after an error. `EIO` comes on every read of a terminal by a process
  /// in its background, which may be in the foreground again later.
  private static let restMilliseconds = 1000

  private let stream: Stream
  private let watch = Watch(for: .readable)
  private var loop: EventLoop?
  private var rest: EventLoop.Timer?
  private var isWanted = false
  private(set) var hasEnded = false
  private(set) var bytesRead: UInt64 = 0
  private(set) var readErrors: UInt64 = 0

  init(_ stream: consuming Stream) { self.stream = stream }

  func begin(on loop: EventLoop, whenReadable: @escaping () -> Void) throws(SystemError) {
    try watch.begin(stream.rawValue, on: loop, callBack: whenReadable)
    self.loop = loop
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard !hasEnded, rest == nil else { return .wouldBlock }
    switch stream.read(into: segments) {
    case .transferred(let count):
      bytesRead &+= UInt64(count)
      return .transferred(count)
    case .wouldBlock: return .wouldBlock
    case .endOfFile: hasEnded = true
    case .failed:
      readErrors &+= 1
      rest = loop?.after(milliseconds: Self.restMilliseconds) { [weak self] in
        self?.rest = nil
        self?.update()
      }
    }
    update()
    return .wouldBlock
  }

  func setWanted(_ wanted: Bool) {
    isWanted = wanted
    update()
  }

  func end() {
    rest?.cancel()
    rest = nil
    watch.end()
    loop = nil
  }

  private func update() { watch.setWanted(isWanted && !hasEnded && rest == nil) }
}

/// The writing half of a chardev whose output goes to a terminal, pipe or file.
///
/// What cannot be written for good (disk full, reader gone) is lost, since the guest must not stand
/// still for it. A line in the log says so now and then.
final class OutputEnd {
  private let name: String
  private var stream: Stream
  private let file: OutputFile?
  private var rotation: FileRotation?
  private let watch = Watch(for: .writable)
  private let log = RateLimitedLog(linesPerSecond: 1)
  private(set) var bytesWritten: UInt64 = 0
  private(set) var bytesDiscarded: UInt64 = 0

  /// - Parameter name: what to call this in a message.
  init(name: String, _ stream: consuming Stream) {
    self.name = name
    self.stream = stream
    file = nil
  }

  /// A file, which is moved out of the way once it is full if it has a rotation.
  init(
    path: String, appends: Bool, mode: UInt32? = nil, rotation: FileConfiguration.Rotation? = nil
  ) throws(ChardevError) {
    let file = try OutputFile(
      path, appends: appends, isShared: appends && rotation == nil, mode: mode)
    name = path
    self.file = file
    stream = Stream(file: file.takeDescriptor())
    if let rotation {
      self.rotation = try FileRotation(of: stream.rawValue, path: path, rotation, appends: appends)
    }
  }

  /// The machine begins: a file that is not to be added to is emptied.
  func beginFile() { file?.begin() }

  func begin(on loop: EventLoop, whenWritable: @escaping () -> Void) throws(SystemError) {
    beginFile()
    try watch.begin(stream.rawValue, on: loop, callBack: whenWritable)
  }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    rotation?.write(segments, to: self) ?? writeThrough(segments)
  }

  /// Writes to the file that is open now.
  func writeThrough(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    switch stream.write(segments) {
    case .transferred(let count):
      bytesWritten &+= UInt64(count)
      return .transferred(count)
    case .wouldBlock, .endOfFile: return .wouldBlock
    case .failed(let reason):
      let count = segments.byteCount
      bytesDiscarded &+= UInt64(count)
      log.warning("\(SystemError(name, errno: reason)); output is lost")
      return .lost(count)
    }
  }

  /// The bytes of one file; nil where files are not rotated.
  var fileSize: Int? { rotation?.fileSize }

  /// Bytes in the pipe, or on their way to the terminal; 0 for what has neither.
  var unreadByteCount: Int {
    var count: Int32 = 0
    // A terminal would answer the question for pipes with its input, so it is asked its own first.
    if ioctl(stream.rawValue, UInt(TIOCOUTQ), &count) == 0 { return Int(count) }
    return ioctl(stream.rawValue, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
  }

  /// The number of what is written to, to ask about it.
  var descriptorNumber: Int32 { stream.rawValue }

  /// Goes on with another file, which is always ready as the former.
  func replaceFile(by file: consuming FileDescriptor) { stream = Stream(file: file) }

  /// The size of the terminal that is written to, if it is one.
  var windowSize: Terminal.Size? { Terminal.size(of: stream.rawValue) }

  func setWanted(_ wanted: Bool) { watch.setWanted(wanted) }

  func end() { watch.end() }
}
