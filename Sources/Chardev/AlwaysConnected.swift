import Host

/// The presence of a host end without clients that come and go: there from soon after the start until
/// the end.
package final class AlwaysConnected {
  package private(set) var isConnected = false
  private var isBegun = false

  package init() {}

  /// Calls back from the event loop, once it is connected; not where the end comes first.
  package func begin(on loop: EventLoop, whenConnected: @escaping () -> Void) {
    isBegun = true
    loop.post { [weak self] in
      guard let self, isBegun else { return }
      isConnected = true
      whenConnected()
    }
  }

  package func end() {
    isBegun = false
    isConnected = false
  }
}
