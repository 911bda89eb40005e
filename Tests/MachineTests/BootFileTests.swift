import Glibc
import GuestMemory
import Host
import SwiftVM
import TestSupport
import Testing

/// What becomes of a machine whose kernel or initrd another program changes while it runs.
@Suite(MicroVM.requirement)
struct BootFileTests {
  /// How a file is changed.
  enum Change: CaseIterable {
    case cutShort, overwritten, replaced
  }

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// A guest that boots again when it is told to, with files of its own, an hour old.
  private func start() throws -> MicroVM {
    try directory.makeFile("kernel", bytes: File.contents(Checkout.microGuest))
    try directory.makeFile("initrd", size: 1 << 20)
    for name in ["kernel", "initrd"] {
      var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
      #expect(utimensat(AT_FDCWD, directory[name], &times, 0) == 0)
    }
    return try MicroVM(
      "run=console mode=msix port=a wait=host send=boot echo=1 end=asked",
      options: ["--initrd", "initrd"], in: directory, kernel: "kernel")
  }

  @Test(
    "The guest boots again what was there at the start, or the machine ends and names the file",
    arguments: ["kernel", "initrd"], Change.allCases)
  func endsOrBoots(name: String, change: Change) throws {
    let machine = try start()
    let client = try machine.connect()
    #expect(client.line() == "boot")
    let path = directory[name]
    switch change {
    case .cutShort: #expect(truncate(path, 4096) == 0)
    case .overwritten:
      let file = open(path, O_WRONLY | O_CLOEXEC)
      #expect(pwrite(file, "x", 1, 4096) == 1)
      close(file)
    case .replaced: #expect(rename(try directory.makeFile("next", size: 1), path) == 0)
    }
    client.send("reset-cf9\n")
    #expect(client.line() == "echo reset-cf9")
    if change == .replaced {
      #expect(client.line() == "boot")
      client.send("poweroff\n")
      #expect(client.line() == "echo poweroff")
      #expect(machine.status() == 0)
      return
    }
    #expect(machine.status() == 1)
    let lines = machine.process.errorOutput.split(separator: "\n")
    #expect(lines.count == 1)
    #expect(lines.first?.contains("'\(name)' has been changed") == true)
    #expect(client.isAtEnd)
    #expect(directory.entries == ["initrd", "kernel"])
  }

  @Test("Several initrds lie one after the other, each at a multiple of four")
  func joinsInitrds() throws {
    let kernel = try ImageFile(path: directory.makeFile("kernel"))
    let files = try [5, 8, 3].enumerated().map { index, size in
      let bytes = [UInt8](repeating: UInt8(index + 1), count: size)
      return try ImageFile(path: directory.makeFile("initrd\(index)", bytes: bytes))
    }
    #expect(BootFiles(kernel: kernel, initrds: []).initrdSize == nil)
    let boot = BootFiles(kernel: kernel, initrds: files)
    #expect(boot.initrdSize == 19)
    let memory = try GuestMemory(regions: [0..<4096])
    try boot.readInitrds(into: memory, at: 100)
    var bytes = [UInt8](repeating: 9, count: 20)
    try bytes.withUnsafeMutableBytes { try memory.read(100, into: $0) }
    #expect(bytes == [1, 1, 1, 1, 1, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 0])
  }
}
