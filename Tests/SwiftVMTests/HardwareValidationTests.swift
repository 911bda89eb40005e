import SwiftVM
import TestSupport
import Testing

@Suite
struct HardwareValidationTests {
  @Test(
    arguments: [
      ([String](repeating: "x", count: 255), nil),
      (
        [String](repeating: "x", count: 256),
        "-smbios: 256 strings are too many; give at most 255"
      ),
      ([String(repeating: "x", count: 49151)], nil),
      (
        ["a", String(repeating: "x", count: 49150)],
        "-smbios: the strings have 49153 bytes, their ends included; give at most 49152 bytes"
      ),
      (
        ["a", ""],
        "-smbios type=11,value=: a string of SMBIOS has at least one byte, and no NUL;"
          + " give type=11,value=TEXT"
      ),
      (
        ["a\0b"],
        "-smbios type=11,value=a\\x00b: a string of SMBIOS has at least one byte, and no NUL;"
          + " give type=11,value=TEXT"
      ),
    ] as [([String], String?)])
  func checksStringsForTheGuest(strings: [String], problem: String?) throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.oemStrings = strings
    #expect(fixture.problem() == problem)
  }

  @Test func acceptsAnOrdinaryMachine() throws {
    let fixture = try ConfigurationFixture()
    #expect(fixture.problem() == nil)
    #expect(fixture.directory.entries == ["initrd", "kernel"])
  }

  @Test(
    arguments: [
      (0, "--memory 0: the guest needs at least 2 MiB; give e.g. --memory 512M"),
      (1 << 20, "--memory 1M: the guest needs at least 2 MiB; give e.g. --memory 512M"),
      (
        (2 << 20) - 4096,
        "--memory 2044K: the guest needs at least 2 MiB; give e.g. --memory 512M"
      ),
      (2 << 20, nil),
      (
        (2 << 20) + 1024,
        "--memory 2049K: guest memory comes in pages of 4 KiB;"
          + " give a multiple of 4K, e.g. --memory 512M"
      ),
      (
        (2 << 20) + 1,
        "--memory 2097153 bytes: guest memory comes in pages of 4 KiB;"
          + " give a multiple of 4K, e.g. --memory 512M"
      ),
      ((2 << 20) + 4096, nil),
      (8 << 30, nil),
      (
        (8 << 30) + 4096,
        "--memory 8388612K: this host has only 8192 MiB of memory; give at most --memory 8192M"
      ),
      (
        UInt64.max - 4095,
        "--memory 18014398509481980K: this host has only 8192 MiB of memory;"
          + " give at most --memory 8192M"
      ),
    ] as [(UInt64, String?)])
  func checksMemory(size: UInt64, problem: String?) throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.memorySize = size
    #expect(fixture.problem() == problem)
  }

  @Test func knowsTheHostsMemory() throws {
    var fixture = try ConfigurationFixture()
    try fixture.configuration.validate()
    fixture.configuration.memorySize = 1 << 60
    let error = #expect(throws: ConfigurationError.self) { try fixture.configuration.validate() }
    #expect(error?.property == .root.memorySize)
  }

  @Test(arguments: [(1, true), (8, true), (0, false), (-1, false)])
  func checksCPUCount(count: Int, isValid: Bool) throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.cpuCount = count
    #expect(
      fixture.problem()
        == (isValid
          ? nil : "--cpus \(count): the guest needs at least one CPU; give e.g. --cpus 1"))
  }

  @Test func checksHardwareWithoutABootLoader() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.bootLoader.kernelPath = ""
    try fixture.configuration.validateHardware()
    fixture.configuration.cpuCount = 0
    #expect(throws: ConfigurationError.self) { try fixture.configuration.validateHardware() }
  }
}
