import CKVM
import Glibc
import Host

/// One front end's share of a `MuxChardev`.
final class MuxEnd: Chardev {
  weak var delegate: (any ChardevDelegate)?
  private(set) var isConnected = false
  private(set) var wantsWritable = false
  let name: String

  let mux: MuxChardev
  /// What was typed for this front end, and it has not read.
  private var typed: [UInt8] = []
  private var wantsReadable = false
  private var isDeliveryPosted = false
  /// The client has gone, and the front end hears of it once it has read what was typed.
  private var owesDisconnection = false

  init(_ mux: MuxChardev, name: String) {
    self.mux = mux
    self.name = name
  }

  var filename: String { mux.backend.filename }
  var waitsForFirstClient: Bool { mux.backend.waitsForFirstClient }
  var packetLimit: Int? { mux.backend.packetLimit }
  var writeLimit: Int { mux.backend.writeLimit }
  var hasUnsentBytes: Bool { mux.backend.hasUnsentBytes }
  var unreadByteCount: Int { mux.backend.unreadByteCount }
  var windowSize: (columns: UInt16, rows: UInt16)? { mux.backend.windowSize }

  func start(on loop: EventLoop) throws(SystemError) { try mux.start(self, on: loop) }

  func stop() {
    isConnected = false
    delegate = nil
    mux.stop(self)
  }

  func write(_ segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    mux.backend.write(segments)
  }

  func read(into segments: UnsafeBufferPointer<iovec>) -> TransferResult {
    guard !typed.isEmpty else { return isConnected ? .wouldBlock : .disconnected }
    let count = typed.withUnsafeBytes { segments.fill(from: $0) }
    guard count > 0 else { return .wouldBlock }
    typed.removeFirst(count)
    mux.updateWishes()
    if owesDisconnection, typed.isEmpty { postDelivery() }
    return .transferred(count)
  }

  func setWantsReadable(_ wanted: Bool) {
    wantsReadable = wanted
    if wanted, !typed.isEmpty { postDelivery() }
  }

  func setWantsWritable(_ wanted: Bool) {
    wantsWritable = wanted
    mux.updateWishes()
  }

  /// One front end of several must not end the connection of all.
  func endOutput() { if mux.isAlone(self) { mux.backend.endOutput() } }
  func disconnectClient() { if mux.isAlone(self) { mux.backend.disconnectClient() } }

  func guestWillOpen() { mux.backend.guestWillOpen() }
  func windowSizeMayHaveChanged() { mux.backend.windowSizeMayHaveChanged() }

  // MARK: From the mux, in the event loop

  var typedByteCount: Int { typed.count }

  func type(_ byte: UInt8) { typed.append(byte) }

  func sendBreak() { delegate?.chardevDidReceiveBreak(self) }

  func deliverWritable() { delegate?.chardevIsWritable(self) }

  func deliverResize() { delegate?.chardevDidResize(self) }

  func setConnected(_ connected: Bool) {
    owesDisconnection = !connected && isConnected && !typed.isEmpty
    guard connected != isConnected, !owesDisconnection else { return }
    isConnected = connected
    if connected {
      delegate?.chardevDidConnect(self)
    } else {
      delegate?.chardevDidDisconnect(self)
    }
  }

  /// Offers what was typed for as long as it is wanted.
  func deliverTyped() {
    if wantsReadable, !typed.isEmpty { delegate?.chardevIsReadable(self) }
    if wantsReadable, !typed.isEmpty { postDelivery() }
    if owesDisconnection, typed.isEmpty { setConnected(false) }
  }

  private func postDelivery() {
    guard !isDeliveryPosted else { return }
    isDeliveryPosted = true
    mux.post { [weak self] in
      self?.isDeliveryPosted = false
      self?.deliverTyped()
    }
  }
}
