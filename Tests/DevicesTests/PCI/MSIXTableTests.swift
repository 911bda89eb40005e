import Devices
import Testing

@Suite struct MSIXTableTests {
  let router = RecordingRouter()
  var table: MSIXTable

  init() {
    table = MSIXTable(vectorCount: 3, router: router)
  }

  private mutating func program(
    _ vector: Int, address: UInt64 = 0xfee0_1000, data: UInt64 = 0x41, mask: UInt64 = 0
  ) {
    table.writeTable(offset: 16 * vector, width: 4, value: address & 0xffff_ffff)
    table.writeTable(offset: 16 * vector + 4, width: 4, value: address >> 32)
    table.writeTable(offset: 16 * vector + 8, width: 4, value: data)
    table.writeTable(offset: 16 * vector + 12, width: 4, value: mask)
  }

  private func isPending(_ vector: Int) -> Bool {
    table.readPendingBits(offset: 0, width: 8) >> UInt64(vector) & 1 != 0
  }

  @Test func startsMaskedAndOff() {
    #expect(!table.isEnabled && table.vectorCount == 3)
    #expect(table.tableSize == 48 && table.pendingBitsSize == 8)
    for vector in 0..<3 {
      #expect(table.readTable(offset: 16 * vector, width: 8) == 0)
      #expect(table.readTable(offset: 16 * vector + 8, width: 8) == 1 << 32)
    }
  }

  @Test(arguments: [(1, 8), (63, 8), (64, 8), (65, 16), (2048, 256)])
  func pendingBitsSize(vectorCount: Int, size: Int) {
    #expect(MSIXTable(vectorCount: vectorCount, router: router).pendingBitsSize == size)
  }

  // MARK: Who may interrupt: enable × function mask × vector mask

  @Test(arguments: 0..<8)
  mutating func matrix(bits: Int) {
    let (isEnabled, isFunctionMasked, isMasked) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0)
    program(1, mask: isMasked ? 1 : 0)
    table.setControl(enabled: isEnabled, functionMasked: isFunctionMasked)
    #expect(router.log.take() == [])
    table.trigger(vector: 1)
    let isLive = isEnabled && !isFunctionMasked && !isMasked
    let sent: [RouterEvent] = [
      .made(0), .programmed(0, address: 0xfee0_1000, data: 0x41), .triggered(0),
    ]
    #expect(router.log.take() == (isLive ? sent : []))
    #expect(isPending(1) == (isEnabled && !isLive))

    // What was pending arrives, once, when the last mask goes.
    table.setControl(enabled: isEnabled, functionMasked: false)
    table.writeTable(offset: 28, width: 4, value: 0)
    #expect(router.log.take().contains(.triggered(0)) == (isEnabled && !isLive))
    #expect(!isPending(1))
    table.setControl(enabled: true, functionMasked: false)
    #expect(!router.log.take().contains(.triggered(0)))
  }

  @Test mutating func manyTriggersWhileMaskedAreOne() {
    program(0, mask: 1)
    table.setControl(enabled: true, functionMasked: false)
    for _ in 0..<10 { table.trigger(vector: 0) }
    table.writeTable(offset: 12, width: 4, value: 0)
    #expect(
      router.log.take() == [
        .made(0), .programmed(0, address: 0xfee0_1000, data: 0x41), .triggered(0),
      ])
  }

  @Test mutating func eachPendingVectorIsSentAfterTheFunctionMask() {
    for vector in 0..<3 { program(vector, data: UInt64(vector)) }
    table.setControl(enabled: true, functionMasked: true)
    #expect(router.log.events.isEmpty)
    table.trigger(vector: 0)
    table.trigger(vector: 2)
    #expect(table.readPendingBits(offset: 0, width: 1) == 0b101)
    table.setControl(enabled: true, functionMasked: false)
    #expect(
      router.log.take() == [
        .made(0), .programmed(0, address: 0xfee0_1000, data: 0), .triggered(0),
        .made(1), .programmed(1, address: 0xfee0_1000, data: 2), .triggered(1),
      ])
    #expect(table.readPendingBits(offset: 0, width: 8) == 0)
  }

  @Test mutating func switchingOffForgetsWhatIsPending() {
    program(0, mask: 1)
    table.setControl(enabled: true, functionMasked: false)
    table.trigger(vector: 0)
    table.setControl(enabled: false, functionMasked: false)
    #expect(!isPending(0))
    table.trigger(vector: 0)
    #expect(!isPending(0))
  }

  // MARK: Routes

  @Test("P11: a device with 2048 vectors takes no route before its first interrupt")
  mutating func routesAreMadeAtTheFirstInterrupt() {
    table = MSIXTable(vectorCount: 2048, router: router)
    for vector in 0..<2048 { program(vector, data: UInt64(vector)) }
    table.setControl(enabled: true, functionMasked: false)
    #expect(router.log.events.isEmpty)
    table.trigger(vector: 2047)
    #expect(
      router.log.take() == [
        .made(0), .programmed(0, address: 0xfee0_1000, data: 2047), .triggered(0),
      ])
    table.trigger(vector: 2047)
    #expect(router.log.take() == [.triggered(0)])
  }

  /// Linux writes each entry several times, and masks around each change of affinity.
  @Test mutating func programmedOnlyWhenTheMessageChanges() {
    program(0)
    table.setControl(enabled: true, functionMasked: false)
    table.trigger(vector: 0)
    _ = router.log.take()
    program(0)
    table.writeTable(offset: 12, width: 4, value: 1)
    table.writeTable(offset: 12, width: 4, value: 0)
    table.setControl(enabled: false, functionMasked: false)
    table.setControl(enabled: true, functionMasked: false)
    #expect(router.log.take() == [])
    table.trigger(vector: 0)
    #expect(router.log.take() == [.triggered(0)])
    table.writeTable(offset: 12, width: 4, value: 1)
    program(0, address: 0x1_fee0_2000, data: 0x52)
    table.trigger(vector: 0)
    #expect(
      router.log.take() == [
        .programmed(0, address: 0x1_fee0_2000, data: 0x52), .triggered(0),
      ])
  }

  @Test mutating func withoutRoutesEachMessageIsSentByItself() {
    let router = RecordingRouter(limit: 1)
    table = MSIXTable(vectorCount: 3, router: router)
    program(0)
    program(1, data: 0x42)
    table.setControl(enabled: true, functionMasked: false)
    table.trigger(vector: 0)
    _ = router.log.take()
    table.trigger(vector: 1)
    #expect(router.log.take() == [.exhausted, .sent(address: 0xfee0_1000, data: 0x42)])
    #expect(!isPending(1))
    table.trigger(vector: 0)
    #expect(router.log.take() == [.triggered(0)])
  }

  // MARK: Accesses

  @Test mutating func everyWidthReachesTheSameBytes() {
    for width in [1, 2, 4, 8] {
      var table = MSIXTable(vectorCount: 3, router: router)
      for offset in stride(from: 0, to: 48, by: width) {
        let bytes = (0..<width).map { UInt64(0x40 + offset + $0) }
        table.writeTable(
          offset: offset, width: width, value: bytes.reversed().reduce(0) { $0 << 8 | $1 })
      }
      for offset in 0..<48 {
        let expected: UInt64 =
          switch offset % 16 {
          case 0: UInt64(0x40 + offset) & ~3
          case 12: UInt64(0x40 + offset) & 1
          case 13...15: 0
          default: UInt64(0x40 + offset)
          }
        #expect(table.readTable(offset: offset, width: 1) == expected)
      }
    }
  }

  @Test mutating func oneAccessMayChangeTwoEntries() {
    program(0)
    program(1)
    table.setControl(enabled: true, functionMasked: false)
    table.writeTable(offset: 12, width: 4, value: 1)
    table.trigger(vector: 0)
    #expect(router.log.take() == [])
    table.writeTable(offset: 12, width: 8, value: 0xfee0_2000 << 32)
    #expect(router.log.take().last == .triggered(0))
    table.trigger(vector: 1)
    #expect(
      router.log.take() == [
        .made(1), .programmed(1, address: 0xfee0_2000, data: 0x41), .triggered(1),
      ])
  }

  @Test mutating func addressIsDoubleWordAlignedAndControlIsOneBit() {
    program(0, address: .max, data: 0xffff_ffff, mask: 0xffff_ffff)
    #expect(table.readTable(offset: 0, width: 8) == UInt64.max - 3)
    #expect(table.readTable(offset: 8, width: 8) == 0x1_ffff_ffff)
  }

  @Test mutating func outsideNothingHappens() {
    let wild = [-1, 41, 48, 4096, Int.max, Int.min]
    for offset in wild {
      table.writeTable(offset: offset, width: 8, value: .max)
      #expect(table.readTable(offset: offset, width: 8) == 0)
      #expect(table.readPendingBits(offset: offset, width: 8) == 0)
    }
    for width in [0, -1, 9, Int.max, Int.min] {
      table.writeTable(offset: 0, width: width, value: .max)
      #expect(table.readTable(offset: 0, width: width) == 0)
      #expect(table.readPendingBits(offset: 0, width: width) == 0)
    }
    table.setControl(enabled: true, functionMasked: false)
    for vector in [-1, 3, 0xffff, Int.max, Int.min] { table.trigger(vector: vector) }
    #expect(table.readPendingBits(offset: 0, width: 8) == 0)
    #expect(router.log.events.isEmpty)
  }

  @Test func capability() {
    let capability = PCICapability.msix(
      vectorCount: 65, bar: 1, table: 0x6000, pendingBits: 8)
    #expect(capability.id == 0x11)
    #expect(capability.body == [64, 0, 0x01, 0x60, 0, 0, 0x09, 0, 0, 0])
    #expect(capability.writable == [0, 0xc0])
  }

  @Test mutating func followsItsCapability() {
    var space = ConfigurationSpace(PCIIdentity(vendor: 1, device: 2, classCode: 0xff0000))
    let offset = space.append(
      .msix(vectorCount: 3, bar: 0, table: 0, pendingBits: 0x800))
    program(0)
    space.write(register: 4, width: 2, value: 4)
    space.write(register: offset + 2, width: 2, value: 0xc7ff)
    #expect(space.read(register: offset + 2, width: 2) == 0xc002)
    table.update(from: space, capability: offset)
    table.trigger(vector: 0)
    #expect(table.isEnabled && isPending(0))
    space.write(register: offset + 3, width: 1, value: 0x80)
    table.update(from: space, capability: offset)
    #expect(!isPending(0))
  }
}
