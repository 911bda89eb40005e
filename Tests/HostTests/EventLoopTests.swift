import Glibc
import Host
import TestSupport
import Testing

@Suite struct EventLoopTests {
  @Test func callsAHandlerForAsLongAsItsConditionLasts() throws {
    let loop = try EventLoop()
    let pipe = Pipe()
    var calls: [EventLoop.Readiness] = []
    _ = try loop.register(pipe.reading.rawValue, interest: .readable) { calls.append($0) }
    pipe.put()
    loop.turn(timeoutMilliseconds: 0)
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == [.readable, .readable])
    var byte: UInt8 = 0
    read(pipe.reading.rawValue, &byte, 1)
    #expect(loop.sleepsThroughATurn())
    #expect(calls.count == 2)
  }

  @Test func changesWhatAHandlerHears() throws {
    let loop = try EventLoop()
    let pair = SocketPair()
    var calls: [EventLoop.Readiness] = []
    let token = try loop.register(pair.ours.rawValue, interest: .readable) { calls.append($0) }
    write(pair.theirs.rawValue, "x", 1)
    loop.setInterest(.writable, for: token)
    loop.turn(timeoutMilliseconds: 0)
    loop.setInterest([.readable, .writable], for: token)
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == [.writable, [.readable, .writable]])
  }

  @Test func anEmptyInterestHearsNotEvenAHangup() throws {
    let loop = try EventLoop()
    let pair = SocketPair()
    let ours = pair.ours.rawValue
    var calls: [EventLoop.Readiness] = []
    let token = try loop.register(ours, interest: []) { calls.append($0) }
    shutdown(pair.theirs.rawValue, Int32(SHUT_RDWR))
    #expect(loop.sleepsThroughATurn())
    loop.setInterest(.hangup, for: token)
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == [.hangup])
    loop.setInterest([], for: token)
    #expect(loop.sleepsThroughATurn())
    loop.setInterest(.readable, for: token)
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == [.hangup, [.readable, .hangup]])
  }

  @Test func aHalfClosedPeerIsReadableAndNoHangup() throws {
    let loop = try EventLoop()
    let pair = SocketPair()
    var calls: [EventLoop.Readiness] = []
    let token = try loop.register(pair.ours.rawValue, interest: .readable) { calls.append($0) }
    shutdown(pair.theirs.rawValue, Int32(SHUT_WR))
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == [.readable])
    loop.setInterest(.hangup, for: token)
    #expect(loop.sleepsThroughATurn())
  }

  @Test func aHandlerMayRemoveItself() throws {
    let loop = try EventLoop()
    let pipe = Pipe()
    var calls = 0
    var token: EventLoop.Token?
    token = try loop.register(pipe.reading.rawValue, interest: .readable) { _ in
      calls += 1
      if let token { loop.remove(token) }
    }
    pipe.put()
    #expect(loop.turn { calls == 1 })
    #expect(loop.sleepsThroughATurn())
    #expect(calls == 1)
    if let token { loop.remove(token) }
  }

  /// Two descriptors ready in one turn; whichever handler comes first removes the other.
  @Test func dropsAnEventThatHasArrivedForARemovedRegistration() throws {
    let loop = try EventLoop()
    let pipes = [SharedPipe(), SharedPipe()]
    defer { withExtendedLifetime(pipes) {} }
    var tokens: [EventLoop.Token] = []
    var calls = 0
    for index in 0..<2 {
      tokens.append(
        try loop.register(pipes[index].pipe.reading.rawValue, interest: .readable) { _ in
          calls += 1
          loop.remove(tokens[1 - index])
        })
    }
    for pipe in pipes { pipe.pipe.put() }
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == 1)
  }

  /// The same, but the first handler also puts a new registration in the other's place, whose
  /// descriptor even has the same number.
  @Test func doesNotGiveAStaleEventToTheNextUserOfAPlace() throws {
    let loop = try EventLoop()
    let pipes = [SharedPipe(), SharedPipe()]
    defer { withExtendedLifetime(pipes) {} }
    let quiet = Pipe()
    var tokens: [EventLoop.Token] = []
    var calls = 0
    var wrongCalls = 0
    for index in 0..<2 {
      let other = pipes[1 - index].pipe.reading.rawValue
      tokens.append(
        try loop.register(pipes[index].pipe.reading.rawValue, interest: .readable) { _ in
          calls += 1
          loop.remove(tokens[1 - index])
          dup2(quiet.reading.rawValue, other)
          _ = try? loop.register(other, interest: .readable) { _ in wrongCalls += 1 }
          loop.remove(tokens[index])
        })
    }
    for pipe in pipes { pipe.pipe.put() }
    loop.turn(timeoutMilliseconds: 0)
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == 1)
    #expect(wrongCalls == 0)
  }

  @Test func dropsWhatAnEarlierHandlerOfTheTurnLostInterestIn() throws {
    let loop = try EventLoop()
    let pipes = [SharedPipe(), SharedPipe()]
    defer { withExtendedLifetime(pipes) {} }
    var tokens: [EventLoop.Token] = []
    var calls = 0
    for index in 0..<2 {
      tokens.append(
        try loop.register(pipes[index].pipe.reading.rawValue, interest: .readable) { _ in
          calls += 1
          loop.setInterest([], for: tokens[1 - index])
        })
    }
    for pipe in pipes { pipe.pipe.put() }
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == 1)
  }

  @Test func refusesARegularFileAndADescriptorTwice() throws {
    let loop = try EventLoop()
    let file = FileDescriptor(owning: open("/proc/self/exe", O_RDONLY))
    let number = file.rawValue
    #expect(throws: SystemError("epoll_ctl", errno: EPERM)) {
      try loop.register(number, interest: .readable) { _ in }
    }
    let pipe = Pipe()
    let reading = pipe.reading.rawValue
    _ = try loop.register(reading, interest: .readable) { _ in }
    #expect(throws: SystemError("epoll_ctl", errno: EEXIST)) {
      try loop.register(reading, interest: .readable) { _ in }
    }
  }

  @Test func reportsADescriptorItCannotWatchAnyMore() throws {
    let loop = try EventLoop()
    let file = FileDescriptor(owning: open("/proc/self/exe", O_RDONLY))
    var calls: [EventLoop.Readiness] = []
    let token = try loop.register(file.rawValue, interest: []) { calls.append($0) }
    loop.setInterest(.readable, for: token)
    #expect(calls.isEmpty)
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls == [.error])
    loop.turn(timeoutMilliseconds: 0)
    #expect(calls.count == 1)
  }

  @Test func releasesAHandlerWithItsRegistration() throws {
    let loop = try EventLoop()
    let pipe = Pipe()
    weak var captured: SharedPipe?
    let token: EventLoop.Token
    do {
      let object = SharedPipe()
      captured = object
      token = try loop.register(pipe.reading.rawValue, interest: .readable) { _ in _ = object }
    }
    #expect(captured != nil)
    loop.remove(token)
    #expect(captured == nil)
  }

  private final class SharedPipe {
    let pipe = Pipe()
  }
}
