import Testing

@testable import KVM

@Suite struct InternalErrorReportTests {
  private func report(_ bytes: [UInt8], suberror: UInt32 = 1) -> InternalErrorReport {
    InternalErrorReport(
      suberror: suberror, instructionPointer: 0xffff_ffff_8102_0304, instruction: bytes)
  }

  @Test(
    arguments: [
      ([0xf0, 0x48, 0x0f, 0xc7, 0x4e, 0x20], "cmpxchg16b"),
      ([0x65, 0x48, 0x0f, 0xc7, 0x0e], "cmpxchg16b"),
      ([0x48, 0x0f, 0xc7, 0x5f, 0x40], "xrstors"),
      ([0x0f, 0xc7, 0x27], "xsavec"),
      ([0x48, 0x0f, 0xc7, 0x6f, 0x40], "xsaves"),
      ([0x0f, 0xae, 0x27], "xsave"),
      ([0x48, 0x0f, 0xae, 0x2f], "xrstor"),
      ([0x48, 0x0f, 0xae, 0x37], "xsaveopt"),
      ([0xcc], "int3"),
    ] as [([UInt8], String)])
  func knowsWhatAnInterpreterLacks(bytes: [UInt8], name: String) {
    #expect(report(bytes).interpreterLimit == name)
    let text = report(bytes).description
    #expect(text.hasPrefix("this /dev/kvm cannot run this kernel"))
    #expect(text.contains(name))
    #expect(text.contains("swiftvm check"))
  }

  @Test(
    arguments: [
      [], [0x0f], [0x0f, 0xc7], [0xf0, 0xf0, 0xf0], [0x48],
      [0x0f, 0xc7, 0x0e],  // cmpxchg8b
      [0x48, 0x0f, 0xc7, 0xf0],  // rdrand
      [0x0f, 0xae, 0xe8],  // lfence
      [0x0f, 0xae, 0x38],  // clflush
      [0x89, 0x03], [0xc5, 0xfa, 0x7f, 0x07],
    ] as [[UInt8]])
  func doesNotBlameOtherInstructions(bytes: [UInt8]) {
    #expect(report(bytes).interpreterLimit == nil)
  }

  @Test func blamesOnlyEmulation() {
    #expect(report([0xcc], suberror: 3).interpreterLimit == nil)
  }

  @Test func describesWhereAndWhat() {
    #expect(
      report([0x0f, 0x01, 0xc1]).description == """
        KVM internal error 1 (instruction emulation failed) at rip 0xffffffff81020304, \
        instruction bytes: 0f 01 c1
        """)
    #expect(report([]).description.hasSuffix("instruction bytes: unreadable"))
  }
}
