import Host

/// The readiness of a host end that always has room: calls back for as long as room is wanted.
final class AlwaysWritable {
  private var isWanted = false
  private var isCallPosted = false
  private var loop: EventLoop?
  private var callBack: () -> Void = {}

  func begin(on loop: EventLoop, whenWritable: @escaping () -> Void) {
    self.loop = loop
    callBack = whenWritable
    post()
  }

  func setWanted(_ wanted: Bool) {
    isWanted = wanted
    post()
  }

  func end() {
    loop = nil
    callBack = {}
  }

  /// Level-triggered, as everywhere: called again while it is still wanted.
  private func post() {
    guard isWanted, !isCallPosted, let loop else { return }
    isCallPosted = true
    loop.post { [weak self] in
      guard let self else { return }
      isCallPosted = false
      guard isWanted, self.loop != nil else { return }
      callBack()
      post()
    }
  }
}
