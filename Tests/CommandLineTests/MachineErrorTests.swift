import Glibc
import TestSupport
import Testing

/// Mistakes that show only once KVM is open: one line on standard error, status 2, nothing created,
/// nothing removed.
@Suite(HostKVM.requirement)
struct MachineErrorTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    try directory.makeFile("kernel", bytes: KernelFile.elf())
    try directory.makeFile("text", bytes: Array("#!/bin/sh\necho no kernel\n".utf8))
    try directory.makeFile("short", bytes: [0x7f])
    try directory.makeFile("cut", bytes: Array(KernelFile.elf().prefix(100)))
    try directory.makeFile("cut-later", bytes: KernelFile.elf(memorySize: 1 << 20, fileSize: 17))
    try directory.makeFile("elf32", bytes: KernelFile.elf32)
    try directory.makeFile("bzimage32", bytes: KernelFile.bzImage32)
    try directory.makeFile("bzimage-cut", bytes: Array(KernelFile.bzImage32.prefix(0x210)))
    try directory.makeFile("large", bytes: KernelFile.elf(memorySize: 64 << 20))
    try directory.makeFile("gzip", bytes: [0x1f, 0x8b, 8, 0] + [UInt8](repeating: 1, count: 600))
    try directory.makeFile("initrd", size: 20 << 20)
    try directory.makeFile("other")
  }

  private func expectRefusal(
    _ words: [String], _ beginning: String, containing part: String = "",
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let before = directory.entries
    let result = try RunningProgram(
      swiftvm: bytes(["run"] + words + ["--virtserialport", "name=first,socket=first"]),
      in: directory
    ).result()
    #expect(result.status == 2, sourceLocation: location)
    #expect(result.output == "", sourceLocation: location)
    let error = result.errorOutput
    #expect(error.hasPrefix("swiftvm: " + beginning), "\(error)", sourceLocation: location)
    #expect(error.contains(part), "\(error)", sourceLocation: location)
    #expect(error.utf8.count { $0 == UInt8(ascii: "\n") } == 1, sourceLocation: location)
    #expect(directory.entries == before, sourceLocation: location)
  }

  @Test(arguments: [
    ("text", "neither an ELF vmlinux nor a bzImage"), ("short", "neither"), ("cut", "cut short"),
    ("cut-later", "cut short"), ("elf32", "a 32-bit kernel"), ("bzimage32", "a 32-bit kernel"),
    ("bzimage-cut", "cut short"), ("gzip", "gzip-compressed"),
  ])
  func refusesKernels(name: String, problem: String) throws {
    try expectRefusal(["--kernel", name], "--kernel \(name): ", containing: problem)
  }

  @Test("More CPUs than KVM allows", arguments: ["100000", "1000000000"])
  func refusesCPUs(count: String) throws {
    try expectRefusal(
      ["--kernel", "kernel", "--cpus", count], "--cpus \(count): ", containing: "give at most")
  }

  @Test("More ports than the process may have descriptors for: nothing is made")
  func countsDescriptors() throws {
    let ports = (1...20).map { "--virtserialport=name=p\($0),socket=p\($0)" }
    let before = directory.entries
    let result = try RunningProgram(
      swiftvm: bytes(["run", "--kernel", "kernel"] + ports), in: directory,
      launcher: ["/bin/sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"]
    ).result()
    #expect(result.status == 2)
    #expect(
      result.errorOutput
        == "swiftvm: a machine with 20 ports, 1 CPU needs up to 220 open files, and the hard limit"
        + " (RLIMIT_NOFILE) allows this process 64; raise it (ulimit -Hn 220), or leave something"
        + " out\n")
    #expect(directory.entries == before)
  }

  @Test("A limit is named with its value and what needs it, and no option that was not given")
  func namesLimits() throws {
    func errors(_ limit: String, _ words: [String]) throws -> String {
      let result = try RunningProgram(
        swiftvm: bytes(["run", "--kernel", "kernel"] + words), in: directory,
        launcher: ["/bin/sh", "-c", "ulimit \(limit); exec \"$@\"", "sh"]
      ).result()
      #expect(result.status == 2)
      return result.errorOutput
    }
    #expect(
      try errors("-n 40", ["--cpus", "2", "--qmp", "qmp"])
        == "swiftvm: a machine with 1 control socket, 2 CPUs needs up to 98 open files, and the hard"
        + " limit (RLIMIT_NOFILE) allows this process 40; raise it (ulimit -Hn 98), or leave"
        + " something out\n")
    #expect(try errors("-c 0", ["-m", "99999G"]).hasPrefix("swiftvm: -m 99999G: "))
    #expect(
      try errors("-c 0", (0..<32).flatMap { ["-device", "virtio-serial-pci,id=d\($0)"] })
        .hasPrefix("swiftvm: -device virtio-serial: 32 devices are more than the 31 of the PCI bus")
    )
  }

  @Test func refusesMemoryTooSmallForTheKernel() throws {
    try expectRefusal(
      ["--kernel", "large", "--memory", "16M"], "--memory 16M: ", containing: "give at least")
  }

  @Test func refusesMemoryLargerThanTheHost() throws {
    try expectRefusal(["--kernel", "kernel", "--memory", "99999G"], "--memory 99999G: ")
  }

  @Test func refusesAnInitrdWithoutRoomBesideTheKernel() throws {
    try expectRefusal(
      ["--kernel", "kernel", "--memory", "24M", "--initrd", "initrd"], "--initrd initrd: ",
      containing: "smaller initrd")
  }

  @Test func refusesALongCommandLine() throws {
    try expectRefusal(
      ["--kernel", "kernel", "--append", String(repeating: "word ", count: 20_000)],
      "--append: the command line has", containing: "shorten it")
  }

  @Test("A socket with a listener stays, and works; what was made before goes")
  func leavesALiveSocketAlone() throws {
    let listener = try Listener(directory["live"])
    try expectRefusal(
      ["--kernel", "kernel", "--virtserialport", "name=live,socket=live"], "--virtserialport",
      containing: "live")
    #expect(listener.answers)
  }

  @Test("The socket of a port before the one that fails is removed again")
  func removesTheFirstSocket() throws {
    let listener = try Listener(directory["live"])
    let before = directory.entries
    let result = try RunningProgram(
      swiftvm: [
        "run", "--kernel", "kernel", "--virtserialport", "name=one,socket=one",
        "--virtserialport", "name=live,socket=live",
      ], in: directory
    ).result()
    #expect(result.status == 2)
    #expect(directory.entries == before)
    #expect(listener.answers)
  }

  @Test("A host that has no memory for the guest fails the machine: status 1, and no socket stays")
  func hostFails() throws {
    let before = directory.entries
    let result = try RunningProgram(
      swiftvm: [
        "run", "--kernel", Checkout.microGuest, "--memory", "2G",
        "--virtserialport", "name=a,socket=a",
      ], in: directory,
      launcher: ["/bin/sh", "-c", "ulimit -v 2000000; exec \"$@\"", "sh"]
    ).result()
    #expect(result.status == 1)
    #expect(result.errorOutput.split(separator: "\n").count == 1, "\(result.errorOutput)")
    #expect(
      result.errorOutput.contains(
        "mmap of 2048 MiB of guest memory: Cannot allocate memory (RLIMIT_AS is 2048000000)"))
    #expect(directory.entries == before)
  }

  @Test("Files are left as they were, and none is made, where a later backend fails")
  func leavesFilesAlone() throws {
    let listener = try Listener(directory["live"])
    try directory.makeFile("former", bytes: Array("former".utf8))
    let before = directory.entries
    let result = try RunningProgram(
      swiftvm: [
        "run", "--kernel", "kernel", "--serial", "file=former",
        "--virtserialport", "name=new,file=new,log=record",
        "--virtserialport", "name=again,null,log=live2", "--virtserialport",
        "name=live,socket=live",
      ], in: directory
    ).result()
    #expect(result.status == 2)
    #expect(directory.entries == before)
    #expect(directory.text(of: "former") == "former")
    #expect(listener.answers)
  }

  @Test("A socket without a listener is replaced", HostKVM.guestRequirement)
  func replacesAStaleSocket() throws {
    do { _ = try Listener(directory["stale"]) }
    #expect(directory.entries.contains("stale"))
    let result = try RunningProgram(
      swiftvm: [
        "run", "--kernel", Checkout.microGuest, "--memory", "16M", "--append",
        "run=hello", "--virtserialport", "name=stale,socket=stale",
      ], in: directory
    ).result()
    #expect(result.status == 0)
    #expect(result.errorOutput == "")
    #expect(!directory.entries.contains("stale"))
  }

  @Test("Two machines that start at once on one path: one wins", HostKVM.guestRequirement)
  func letsOneOfTwoWin() throws {
    let guest = Checkout.microGuest
    let words = bytes([
      "run", "--kernel", guest, "--memory", "16M", "--append", "run=hello end=halt",
      "--virtserialport", "name=same,socket=same",
    ])
    let machines = try (0..<2).map { _ in try RunningProgram(swiftvm: words, in: directory) }
    #expect(
      waitUntil { machines.contains { $0.waitForEnd(seconds: 0) == .exited(2) } })
    let winner = try #require(machines.first { $0.waitForEnd(seconds: 0) == nil })
    #expect(winner.waitForLine("done"))
    _ = try SocketClient(directory["same"])
    #expect(winner.end(by: SIGTERM).ending == .exited(143))
    #expect(!directory.entries.contains("same"))
  }
}

/// A listening socket of another program, as the one under test sees it. Leaves its file behind.
private final class Listener {
  private let descriptor: Int32
  private let path: String

  init(_ path: String) throws {
    self.path = path
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
    let result = withUnsafePointer(to: address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(result == 0)
    try #require(listen(descriptor, 8) == 0)
  }

  deinit { close(descriptor) }

  /// Whether a client still finds it at its path.
  var answers: Bool {
    guard let client = try? SocketClient(path) else { return false }
    let accepted = accept(descriptor, nil, nil)
    defer { close(accepted) }
    // Clients that only looked for a listener may come first.
    client.send("x")
    return accepted >= 0
  }
}
