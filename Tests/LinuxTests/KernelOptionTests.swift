import Glibc
import TestSupport
import Testing

extension StockGuestTests {
  /// The same kernel started in different ways, on different numbers of CPUs.
  @Suite struct KernelOptionTests {
    private static let port = "org.fedoraproject.port.0"

    /// What every one of these guests must show.
    private func checkBasics(_ guest: Guest, cpus: Int) throws {
      let agent = try guest.agent
      try agent.start("echo", "vport echo /dev/virtio-ports/\(Self.port) 6")
      let client = try guest.connect(Self.port)
      try client.sendAll("hello\n")
      #expect(try client.receiveLine() == "hello")
      try agent.finish("echo")
      #expect(try agent.run("nproc") == "\(cpus)")
      let clocks = "/sys/devices/system/clocksource/clocksource0"
      #expect(try agent.run("cat \(clocks)/current_clocksource") == "kvm-clock")
      let timer = "/sys/devices/system/clockevents/clockevent0/current_device"
      #expect(try agent.run("cat \(timer)") == "lapic-deadline")
    }

    /// The lines of /proc/interrupts that are the device's.
    private func interrupts(_ guest: Guest) throws -> [String] {
      try guest.agent.run("grep virtio /proc/interrupts").split(separator: "\n").map(String.init)
    }

    private func usesExtendedConfiguration(_ guest: Guest) throws -> Bool {
      try guest.agent.answer(to: "dmesg | grep -E 'PCI: (MMCONFIG for domain|ECAM)'").status == 0
    }

    private func checkPowerOff(_ guest: Guest) throws {
      #expect(guest.sockets.sorted() == [Self.port, Guest.agentPort].sorted())
      #expect(try guest.powerOff() == .exited(0))
      #expect(guest.sockets == [])
    }

    /// A cpio archive of one small file, in newc format, whose size is no multiple of four.
    private func archive(of name: String, _ text: String) -> [UInt8] {
      func entry(_ name: String, mode: String, size: Int) -> [UInt8] {
        func field(_ value: Int) -> String {
          let digits = String(value, radix: 16)
          return String(repeating: "0", count: 8 - digits.count) + digits
        }
        let fields = [1, 0, 0, 1, 0, size, 0, 0, 0, 0, name.utf8.count + 1, 0].map(field)
        return Array(("070701" + fields[0] + mode + fields[1...].joined() + name + "\0").utf8)
      }
      func padded(_ bytes: [UInt8]) -> [UInt8] {
        bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
      }
      return padded(entry(name, mode: "000081a4", size: text.utf8.count)) + padded(Array(text.utf8))
        + entry("TRAILER!!!", mode: "00000000", size: 0)
    }

    /// A bzImage through its 64-bit entry, with two initrds, its console in a file; and a client that
    /// was there, and had spoken, before the guest started.
    @Test func bzImageWithFourProcessors() throws {
      let directory = try TemporaryDirectory()
      let extra = archive(of: "extra", "from the first initrd")
      #expect(extra.count % 4 != 0)
      try directory.makeFile("extra.cpio", bytes: extra)
      let console = directory["console"]
      let guest = try Guest(
        Guest.Options(
          ports: [Self.port], append: "",
          arguments: [
            "--cpus", "4", "--serial", "file=\(console)",
            "--kernel", Checkout.guestImages + "/vmlinuz",
            "--initrd", directory["extra.cpio"],
            "--initrd", Checkout.guestImages + "/initramfs.cpio",
          ]))
      do {
        let early = try guest.connect(Self.port)
        try early.sendAll("early\n")
        try guest.awaitAgent()
        #expect(try guest.agent.run("head -n 1 /dev/virtio-ports/\(Self.port)") == "early")
      }
      #expect(try guest.agent.run("cat /extra") == "from the first initrd")
      try checkBasics(guest, cpus: 4)
      let lines = try interrupts(guest)
      #expect(lines.contains { $0.contains("PCI-MSI") && $0.contains("virtio0-config") })
      #expect(lines.contains { $0.contains("PCI-MSI") && $0.contains("virtio0-input") })
      #expect(try usesExtendedConfiguration(guest))
      try checkPowerOff(guest)
      let text = File.text(console)
      #expect(text.contains("Linux version"))
      #expect(text.contains("init: agent"))
      #expect(text.contains("reboot: Power down"))
      #expect(guest.console == "")
    }

    /// The loader's type, which PVH's entry and the boot protocol's set differently.
    private func loader(_ guest: Guest) throws -> String {
      try guest.agent.run("cat /proc/sys/kernel/bootloader_type")
    }

    /// And through the 64-bit entry of an ELF image that has no other.
    @Test func withoutMessageSignalledInterrupts() throws {
      let directory = try TemporaryDirectory()
      let kernel = directory["vmlinux"]
      // Another type of note than PVH's 18.
      let change = #"s/(\x04\0\0\0[\x04\x08]\0\0\0)\x12(\0\0\0Xen\0)/$1\x7f$2/"#
      _ = try Tool.shell("perl -0777 -pe '\(change)' \(Checkout.guestImages)/vmlinux >\(kernel)")
      let guest = try Guest(
        Guest.Options(
          ports: [Self.port], append: "quiet pci=nomsi",
          arguments: ["--kernel", kernel, "--initrd", Checkout.guestImages + "/initramfs.cpio"]))
      try guest.awaitAgent()
      try checkBasics(guest, cpus: 1)
      #expect(try loader(guest) == "255")
      let lines = try interrupts(guest)
      #expect(lines.count == 1)
      #expect(lines.allSatisfy { $0.contains("IO-APIC") && $0.contains("fasteoi") })
      try checkPowerOff(guest)
    }

    @Test func oldConfigurationMechanismNoRandomAddressesOneProcessorOfTwo() throws {
      let guest = try Guest(
        Guest.Options(
          ports: [Self.port], append: "quiet pci=conf1 nokaslr maxcpus=1",
          arguments: ["--cpus", "2"]))
      try guest.awaitAgent()
      try checkBasics(guest, cpus: 1)
      #expect(try guest.agent.run("cat /sys/devices/system/cpu/present") == "0-1")
      #expect(try loader(guest) == "176", "PVH")
      let text = try guest.agent.run("grep ' _text$' /proc/kallsyms")
      #expect(text.hasPrefix("ffffffff81000000 "))
      #expect(try !usesExtendedConfiguration(guest))
      try checkPowerOff(guest)
    }

    /// More memory than fits below the 32-bit hole, and eight CPUs.
    @Test func memoryAboveTheHoleAndEightProcessors() throws {
      let guest = try Guest(
        Guest.Options(
          ports: [Self.port], arguments: ["--memory", "3584M", "--cpus", "8"]))
      try guest.awaitAgent()
      try checkBasics(guest, cpus: 8)
      let agent = try guest.agent
      let free = try agent.run("free -m").split(separator: "\n")
      let total = try #require(
        free.first { $0.hasPrefix("Mem:") }?.split(separator: " ").dropFirst().first)
      #expect(try #require(Int(total)) > 3300)
      #expect(try agent.run("grep 'System RAM' /proc/iomem").contains("100000000-11fffffff"))
      // Zone Normal is all above 4 GiB: its pages are those that are written and read back here.
      try checkMemoryHolds(agent, mebibytes: 48)
      try checkLargePages(guest, leastCount: 60)
      try checkPowerOff(guest)
    }

    /// KVM maps the guest's memory by large pages, on either side of the hole, as far as this host has
    /// them and shows what it maps.
    private func checkLargePages(_ guest: Guest, leastCount: Int) throws {
      let setting = File.text("/sys/kernel/mm/transparent_hugepage/enabled")
      guard geteuid() == 0, !setting.isEmpty, !setting.contains("[never]") else { return }
      let directory = try TemporaryDirectory()
      let folder = try directory.makeDirectory("debug")
      // Numbers of the machine whose process this is.
      let numbers = try Tool.shell(
        "mount -t debugfs none \(folder) && cd \(folder)/kvm/\(guest.process.pid)-*"
          + " && cat pages_2m pages_4k; cd /; umount \(folder)"
      ).split(separator: "\n").compactMap { Int($0) }
      try #require(numbers.count == 2)
      #expect(numbers[0] >= leastCount)
      #expect(numbers[1] < numbers[0], "pages of 4 KiB")
    }

    private func checkMemoryHolds(_ agent: Agent, mebibytes: Int) throws {
      let freePages =
        "awk '/zone +Normal/ {found = 1} found && /pages free/ {print $3; exit}' /proc/zoneinfo"
      let before = try #require(Int(try agent.run(freePages)))
      let written = try agent.run(
        "head -c \(mebibytes << 20) /dev/urandom | tee /dev/shm/filled | sha256sum", seconds: 120)
      let after = try #require(Int(try agent.run(freePages)))
      // Half of the pages at least, since others come and go.
      #expect(before - after > mebibytes * 128)
      let read = try agent.run("sha256sum </dev/shm/filled", seconds: 120)
      #expect(read == written)
    }
  }
}
