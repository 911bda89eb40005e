extension EventLoop {
  /// One watched descriptor.
  struct Registration {
    let descriptor: Int32
    var interest: Interest
    let handler: (Readiness) -> Void
  }

  /// Registrations by slot. A slot counts its uses, so that the token of an earlier use, which an
  /// event already fetched from the kernel may still carry, finds nothing.
  struct RegistrationTable {
    private struct Slot {
      var generation: UInt32 = 0
      var registration: Registration?
    }

    private var slots: [Slot] = []
    private var free: [UInt32] = []

    subscript(token: Token) -> Registration? {
      guard let slot = slot(of: token) else { return nil }
      return slots[slot].registration
    }

    mutating func insert(
      _ descriptor: Int32, interest: Interest, handler: @escaping (Readiness) -> Void
    ) -> Token {
      let number: UInt32
      if let reused = free.popLast() {
        number = reused
      } else {
        number = UInt32(slots.count)
        slots.append(Slot())
      }
      let slot = Int(number)
      slots[slot].registration = Registration(
        descriptor: descriptor, interest: interest, handler: handler)
      return Token(slot: number, generation: slots[slot].generation)
    }

    mutating func setInterest(_ interest: Interest, for token: Token) {
      guard let slot = slot(of: token) else { return }
      slots[slot].registration?.interest = interest
    }

    @discardableResult
    mutating func remove(_ token: Token) -> Registration? {
      guard let slot = slot(of: token), let removed = slots[slot].registration else { return nil }
      slots[slot].registration = nil
      slots[slot].generation &+= 1
      free.append(token.slot)
      return removed
    }

    private func slot(of token: Token) -> Int? {
      let slot = Int(token.slot)
      guard slot < slots.count, slots[slot].generation == token.generation else { return nil }
      return slot
    }
  }
}

extension EventLoop.Token {
  /// The form that travels through the kernel in `epoll_event.data`.
  var packed: UInt64 { UInt64(slot) << 32 | UInt64(generation) }

  init(packed: UInt64) {
    self.init(
      slot: UInt32(truncatingIfNeeded: packed >> 32),
      generation: UInt32(truncatingIfNeeded: packed))
  }
}
