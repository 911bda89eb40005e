import Chardev
import GuestMemory
import Host
import Virtio
import VirtioConsole

/// A whole guest driver for the console device, without a transport: negotiates, sets queues up,
/// talks on the control queues, sends and receives on ports.
package final class MockConsoleDriver {
  /// A control message as the guest sees it.
  package struct Message: Equatable, CustomStringConvertible {
    package var port: UInt32
    package var event: UInt16
    package var value: UInt16
    package var payload: [UInt8] = []

    package init(_ port: UInt32, _ event: UInt16, _ value: UInt16, _ payload: [UInt8] = []) {
      self.port = port
      self.event = event
      self.value = value
      self.payload = payload
    }

    package var description: String {
      let name = payload.isEmpty ? "" : " \(String(decoding: payload, as: UTF8.self))"
      return "port \(port) event \(event) value \(value)\(name)"
    }
  }

  package let memory: GuestMemory
  package let loop: EventLoop
  package let device: ConsoleDevice
  package let controller: VirtioDeviceState
  package let notifier = RecordingNotifier()
  package let chardevs: [ScriptedChardev]
  package private(set) var queues: [Int: MockQueue] = [:]

  private static let ringArea: UInt64 = 0x10_0000
  /// The memory each queue has for its rings: enough for 128 entries, or for 8.
  private let ringBytes: UInt64
  private static let controlRingArea: UInt64 = 0x300_0000
  static let bufferArea: UInt64 = 0x400_0000
  static let bufferBytes: UInt64 = 0x1_0000
  private let controlBuffers: Int
  private var controlBuffersGiven = 0
  private let controlBufferBytes: Int
  /// The entries of a port's queues, where the test does not say.
  private let queueSize: UInt16
  private let lastPort: Int
  private var receiveBuffers: [UInt16: UInt64] = [:]

  /// Makes a device with ports of the given names, their chardevs, and a driver that has not begun.
  ///
  /// - Parameters:
  ///   - numbers: the numbers that ports ask for, by their index.
  ///   - policy: every port's.
  ///   - lastPort: up to which number there are queues; by default, up to the last port.
  ///   - smallRings: rings of 8 entries at most, so that there is room for those of every port.
  package init(
    names: [String], maximumPorts: Int? = nil, consoles: Set<Int> = [],
    numbers: [Int: UInt32] = [:], policy: PortPolicy = PortPolicy(), weights: [Int: Int] = [:],
    lastPort: Int? = nil,
    controlBufferBytes: Int = 4096, smallRings: Bool = false,
    resizeOrder: ResizeOrder = .specification, trace: (@Sendable (TraceEvent) -> Void)? = nil,
    onConsoleOutput: (@Sendable (KernelFault) -> Void)? = nil
  ) throws {
    self.controlBufferBytes = controlBufferBytes
    controlBuffers = smallRings ? 64 : 16
    ringBytes = smallRings ? 256 : 8192
    queueSize = smallRings ? 8 : 32
    let limit = maximumPorts ?? max(31, names.count + 1)
    self.lastPort =
      lastPort ?? min(max(names.count, Int(numbers.values.max() ?? 0)), limit - 1)
    memory = try GuestMemory(regions: [0..<0x1000_0000])
    loop = try EventLoop()
    // What is done in one turn shall not depend on how fast this machine is now.
    loop.clock.limit = 60_000_000_000
    let chardevs = names.map { _ in ScriptedChardev() }
    self.chardevs = chardevs
    let ports = names.indices.map { index in
      var policy = policy
      policy.weight = weights[index] ?? policy.weight
      return (
        configuration: PortConfiguration(
          number: numbers[index], name: names[index], isConsole: consoles.contains(index),
          policy: policy),
        chardev: chardevs[index] as any Chardev
      )
    }
    device = ConsoleDevice(
      ports: ports, maximumPorts: limit, lock: DeviceLock(),
      remote: loop.remote, resizeOrder: resizeOrder, emergencyOutput: { _ in }, trace: trace,
      onConsoleOutput: onConsoleOutput)
    controller = VirtioDeviceState(device: device, memory: memory)
    notifier.controller = controller
    device.attach()
  }

  // MARK: Set-up

  /// Everything up to DRIVER_OK, with the queues of ports `0...lastPort` and of the control channel.
  package func start(lastPort: Int, features: Features? = nil, queueSize: UInt16? = nil) {
    let queueSize = queueSize ?? self.queueSize
    locked {
      writeStatus([.acknowledge])
      writeStatus([.acknowledge, .driver])
      controller.accept(
        features ?? controller.offeredFeatures.subtracting(.packedRing),
        within: Features(rawValue: .max))
      writeStatus([.acknowledge, .driver, .featuresOK])
      for index in 0..<(2 * lastPort + 4) {
        let isControl = [ControlChannelQueue.receive, ControlChannelQueue.transmit].contains(index)
        setUpQueue(index, size: isControl ? max(queueSize, 128) : queueSize)
      }
      writeStatus([.acknowledge, .driver, .featuresOK, .driverOK])
    }
    settle()
  }

  /// Sets queue `index` up in its place in guest memory, and enables it.
  package func setUpQueue(_ index: Int, size: UInt16) {
    let isControl = [ControlChannelQueue.receive, ControlChannelQueue.transmit].contains(index)
    let ringBytes = isControl ? 8192 : self.ringBytes
    let base = (isControl ? Self.controlRingArea : Self.ringArea) + UInt64(index) * ringBytes
    let queue = MockQueue(memory: memory, base: base, size: size)
    memory.put([UInt8](repeating: 0, count: Int(ringBytes)), at: base)
    queues[index] = queue
    controller.configureQueue(index) { $0 = queue.configuration(maximumSize: $0.maximumSize) }
    controller.enableQueue(index, driver: notifier)
  }

  package func writeStatus(_ status: DeviceStatus) {
    controller.writeStatus(status, driver: notifier)
  }

  /// Status zero, as a driver that unloads writes.
  package func reset() {
    locked { writeStatus([]) }
    queues = [:]
    receiveBuffers = [:]
    controlBuffersGiven = 0
    settle()
  }

  /// Lets the I/O thread's posted work run.
  package func settle() {
    for _ in 0..<8 { loop.turn(timeoutMilliseconds: 0) }
  }

  private func locked(_ body: () -> Void) { device.lock.withLock { body() } }

  // MARK: Control channel

  /// Gives the device buffers for control messages.
  package func fillControlQueue(count: Int? = nil) {
    for _ in 0..<(count ?? controlBuffers) {
      addControlBuffer(controlBuffersGiven)
      controlBuffersGiven += 1
    }
    kick(ControlChannelQueue.receive)
  }

  private func addControlBuffer(_ number: Int) {
    let address = Self.bufferArea + UInt64(number) * 4096
    let head = queues[ControlChannelQueue.receive]?.publish([
      .init(address, controlBufferBytes, writable: true)
    ])
    if let head { receiveBuffers[head] = address }
  }

  /// Control messages that have arrived since the last call; their buffers are given back.
  package func takeMessages() -> [Message] {
    var messages: [Message] = []
    while true {
      let arrived = takeArrivedMessages()
      guard !arrived.isEmpty else { return messages }
      messages += arrived
    }
  }

  /// The messages that are there now; their buffers are given back, which may bring more.
  private func takeArrivedMessages() -> [Message] {
    guard let queue = queues[ControlChannelQueue.receive] else { return [] }
    var messages: [Message] = []
    let used = queue.takeUsed()
    for (head, length) in used {
      guard let address = receiveBuffers.removeValue(forKey: UInt16(head)) else { continue }
      let bytes = memory.bytes(at: address, count: Int(length))
      if bytes.count >= 8 { messages.append(Self.decode(bytes)) }
      let again = queue.publish([.init(address, controlBufferBytes, writable: true)])
      receiveBuffers[again] = address
    }
    if !used.isEmpty { kick(ControlChannelQueue.receive) }
    return messages
  }

  private static func decode(_ bytes: [UInt8]) -> Message {
    func number(_ range: Range<Int>) -> UInt32 {
      range.reversed().reduce(0) { $0 << 8 | UInt32(bytes[$1]) }
    }
    return Message(
      number(0..<4), UInt16(number(4..<6)), UInt16(number(6..<8)), Array(bytes[8...]))
  }

  /// Sends a control message of the given bytes.
  package func sendControl(bytes: [UInt8]) {
    let address = Self.bufferArea - 0x1_0000
    memory.put(bytes, at: address)
    queues[ControlChannelQueue.transmit]?.publish([.init(address, bytes.count)])
    kick(ControlChannelQueue.transmit)
  }

  /// Sends a control message.
  package func sendControl(port: UInt32, event: UInt16, value: UInt16) {
    sendControl([Message(port, event, value)])
  }

  /// Sends up to 128 control messages, and notifies of them once.
  package func sendControl(_ messages: [Message]) {
    func bytes(_ value: UInt32, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt32(8 * $0)) }
    }
    for (slot, message) in messages.enumerated() {
      let address = Self.bufferArea - 0x1_0000 + 16 * UInt64(slot)
      memory.put(
        bytes(message.port, 4) + bytes(UInt32(message.event), 2) + bytes(UInt32(message.value), 2),
        at: address)
      queues[ControlChannelQueue.transmit]?.publish([.init(address, 8)])
    }
    kick(ControlChannelQueue.transmit)
  }

  /// Starts, says DEVICE_READY, answers each DEVICE_ADD with PORT_READY and opens every port;
  /// returns the messages seen.
  @discardableResult
  package func bringUp(openPorts: Bool = true, features: Features? = nil) -> [Message] {
    start(lastPort: lastPort, features: features)
    fillControlQueue()
    sendControl(port: .max, event: 0, value: 1)
    return answerAdditions(openPorts: openPorts)
  }

  /// Answers each DEVICE_ADD with PORT_READY, and opens the port, until no message is left; returns
  /// the messages seen.
  @discardableResult
  package func answerAdditions(openPorts: Bool = true) -> [Message] {
    var seen: [Message] = []
    while true {
      let messages = takeArrivedMessages()
      guard !messages.isEmpty else { return seen }
      seen += messages
      let added = messages.filter { $0.event == 1 }.map(\.port)
      guard !added.isEmpty else { continue }
      sendControl(
        added.flatMap { port in
          [Message(port, 3, 1)] + (openPorts ? [Message(port, 6, 1)] : [])
        })
    }
  }

  // MARK: Ports, see MockConsoleDriver+Ports.swift

  /// Where the receive buffers lie, by port and head.
  var portBuffers: [Int: [UInt16: UInt64]] = [:]

  /// Notifies the device of buffers.
  package func kick(_ queue: Int) {
    device.queueNotified(queue)
    settle()
  }
}

/// Numbers of the control queues.
package enum ControlChannelQueue {
  package static let receive = 2
  package static let transmit = 3
}
