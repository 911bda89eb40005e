// swift-tools-version: 6.2
import PackageDescription

// Not MemberImportVisibility: C structures that CKVM and Glibc both know belong to whichever of the two
// the compiler meets first, which differs between debug and release builds.
let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .treatAllWarnings(as: .error),
]

/// A module of the product; what it may import is exactly what is listed, and always further down.
func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

let package = Package(
  name: "swiftvm",
  products: [
    .executable(name: "swiftvm", targets: ["swiftvm-cli"]),
    .library(name: "SwiftVM", targets: ["SwiftVM", "Control"]),
  ],
  targets: [
    .executableTarget(
      name: "swiftvm-cli", dependencies: ["SwiftVM", "Control", "Chardev", "Host", "CKVM"],
      swiftSettings: settings),
    module("Control", ["SwiftVM", "Devices", "Chardev", "Host", "CKVM"]),
    module(
      "SwiftVM",
      [
        "VirtioConsole", "Virtio", "Devices", "Chardev", "Boot", "KVM", "GuestMemory",
        "Host", "CKVM",
      ]),
    module("VirtioConsole", ["Virtio", "Chardev", "Host"]),
    module("Virtio", ["Devices", "GuestMemory"]),
    module("Devices", []),
    module("Chardev", ["Host", "CKVM"]),
    module("Boot", []),
    module("KVM", ["Boot", "Devices", "GuestMemory", "Host", "CKVM"]),
    module("GuestMemory", ["Host", "CKVM"]),
    module("Host", ["CKVM"]),
    .systemLibrary(name: "CKVM", path: "CKVM"),

    .target(
      name: "TestSupport",
      dependencies: [
        "Control", "VirtioConsole", "Virtio", "Devices", "Chardev", "GuestMemory", "Host", "CKVM",
      ],
      path: "Tests/TestSupport", swiftSettings: settings),
    tests("HostTests", ["Host", "TestSupport"]),
    tests("GuestMemoryTests", ["GuestMemory"]),
    tests("KVMTests", ["KVM", "Boot", "Devices", "GuestMemory", "Host", "TestSupport"]),
    tests("BootTests", ["Boot", "TestSupport"]),
    tests("ChardevTests", ["Chardev", "Host", "TestSupport"]),
    tests("DevicesTests", ["Devices", "TestSupport"]),
    tests("VirtioTests", ["Virtio", "Devices", "GuestMemory", "Host", "TestSupport"]),
    tests(
      "VirtioConsoleTests",
      ["VirtioConsole", "Virtio", "Chardev", "GuestMemory", "Host", "TestSupport"]),
    tests("ControlTests", ["Control", "SwiftVM", "Chardev", "Host", "TestSupport"]),
    tests(
      "MachineTests",
      [
        "swiftvm-cli", "SwiftVM", "Control", "VirtioConsole", "Chardev", "Devices", "Boot", "KVM",
        "GuestMemory",
        "Host", "TestSupport",
      ]),
    tests("SwiftVMTests", ["swiftvm-cli", "SwiftVM", "Boot", "Chardev", "Host", "TestSupport"]),
    tests(
      "CommandLineTests", ["swiftvm-cli", "SwiftVM", "Control", "Chardev", "Host", "TestSupport"]),
    tests(
      "AttackTests",
      ["VirtioConsole", "Virtio", "Devices", "Chardev", "GuestMemory", "Host", "TestSupport"]),
    tests("LinuxTests", ["Control", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6])
