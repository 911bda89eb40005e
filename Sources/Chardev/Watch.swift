import Glibc
import Host

/// Calls back for as long as one condition of a descriptor is wanted and holds; also for what is always
/// ready: a file that epoll does not watch, or no descriptor at all.
final class Watch {
  private let condition: EventLoop.Interest
  private var loop: EventLoop?
  /// Nil for what is always ready.
  private var token: EventLoop.Token?
  private var callBack: () -> Void = {}
  private var isWanted = false
  private lazy var nextCall = Deferred { [weak self] in self?.callAlwaysReady() }

  init(for condition: EventLoop.Interest) { self.condition = condition }

  /// Begins to watch a descriptor, which stays the caller's; nil is always ready.
  func begin(
    _ descriptor: Int32?, on loop: EventLoop, callBack: @escaping () -> Void
  ) throws(SystemError) {
    if let descriptor {
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
    self.loop = loop
    self.callBack = callBack
    setWanted(isWanted)
  }

  /// Whether to call back.
  func setWanted(_ wanted: Bool) {
    isWanted = wanted
    if let token {
      loop?.setInterest(wanted ? condition : [], for: token)
    } else if wanted {
      nextCall.post(on: loop)
    }
  }

  /// No call from now on.
  func end() {
    if let token { loop?.remove(token) }
    token = nil
    loop = nil
    callBack = {}
  }

  private func callAlwaysReady() {
    call()
    setWanted(isWanted)
  }

  private func call() {
    if isWanted, loop != nil { callBack() }
  }
}
