import Glibc
import Host

/// Calls back for as long as one condition of a descriptor is wanted and holds; also for files that
/// epoll does not watch because they are always ready.
final class WatchedDescriptor {
  private let loop: EventLoop
  private let condition: EventLoop.Interest
  private let callBack: () -> Void
  /// Nil for a file that is always ready.
  private var token: EventLoop.Token?
  private var isCallPosted = false
  private var isCancelled = false
  /// Whether to call back.
  private(set) var isWanted = false

  init(
    _ descriptor: Int32, for condition: EventLoop.Interest, on loop: EventLoop,
    callBack: @escaping () -> Void
  ) throws(SystemError) {
    self.loop = loop
    self.condition = condition
    self.callBack = callBack
    do {
      // A hang-up makes a read return 0 or a write fail, so it counts as ready.
      let token = try loop.register(descriptor, interest: condition) { [weak self] _ in
        self?.call()
      }
      loop.setInterest([], for: token)
      self.token = token
    } catch  where error.errno == EPERM {
      token = nil
    }
  }

  func setWanted(_ wanted: Bool) {
    guard !isCancelled else { return }
    isWanted = wanted
    if let token {
      loop.setInterest(wanted ? condition : [], for: token)
    } else if wanted, !isCallPosted {
      isCallPosted = true
      loop.post { [weak self] in self?.callAlwaysReady() }
    }
  }

  /// No call from now on.
  func cancel() {
    isWanted = false
    isCancelled = true
    if let token { loop.remove(token) }
    token = nil
  }

  private func callAlwaysReady() {
    isCallPosted = false
    call()
    setWanted(isWanted)
  }

  private func call() {
    if isWanted { callBack() }
  }
}
