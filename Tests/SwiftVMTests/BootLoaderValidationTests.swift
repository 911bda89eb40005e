import SwiftVM
import TestSupport
import Testing

@Suite
struct BootLoaderValidationTests {
  /// What stands where the kernel or the initrd should be.
  enum Obstacle: CaseIterable {
    case missing, directory, empty, pipe, socket, looping, belowAFile, emptyPath, nul

    func place(in directory: TemporaryDirectory) throws -> String {
      switch self {
      case .missing: return directory["boot"]
      case .directory: return try directory.makeDirectory("boot")
      case .empty: return try directory.makeFile("boot", size: 0)
      case .pipe: return try directory.makePipe("boot")
      case .socket: return try directory.makeSocket("boot")
      case .looping: return try directory.makeLink("boot", to: "boot")
      case .belowAFile: return directory["kernel/boot"]
      case .emptyPath: return ""
      case .nul: return directory["boot\0"]
      }
    }

    func line(option: String, noun: String) -> String {
      let check = "check the path"
      let regular = "give the path of a regular file"
      return switch self {
      case .missing: "\(option) DIR/boot: \(noun) does not exist; \(check)"
      case .directory: "\(option) DIR/boot: \(noun) is a directory; \(regular)"
      case .empty: "\(option) DIR/boot: \(noun) is an empty file; build or copy it again"
      case .pipe: "\(option) DIR/boot: \(noun) is a pipe; \(regular)"
      case .socket: "\(option) DIR/boot: \(noun) is a socket; \(regular)"
      case .looping:
        "\(option) DIR/boot: \(noun) cannot be reached: its symbolic links go round in circles;"
          + " \(check)"
      case .belowAFile:
        "\(option) DIR/kernel/boot: \(noun) cannot be reached: part of its path is not a"
          + " directory; \(check)"
      case .emptyPath: "\(option): the path is empty; give the file of \(noun)"
      case .nul: "\(option) DIR/boot\\x00: the path holds a NUL byte; give the file of \(noun)"
      }
    }
  }

  @Test(arguments: Obstacle.allCases)
  func checksTheKernel(obstacle: Obstacle) throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.bootLoader.kernelPath = try obstacle.place(in: fixture.directory)
    #expect(fixture.problem() == obstacle.line(option: "--kernel", noun: "the kernel"))
  }

  @Test(arguments: Obstacle.allCases)
  func checksTheInitrd(obstacle: Obstacle) throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.bootLoader.initialRamdiskPaths.append(
      try obstacle.place(in: fixture.directory))
    #expect(fixture.problem() == obstacle.line(option: "--initrd", noun: "the initrd"))
  }

  // In a process of its own, which gives up root's right to read every file.
  @Test func needsPermissionToRead() async {
    await #expect(processExitsWith: .success) {
      becomeOrdinaryUser()
      var fixture = try ConfigurationFixture()
      let path = try fixture.directory.makeFile("secret", mode: 0)
      fixture.configuration.bootLoader.kernelPath = path
      #expect(
        fixture.problem()
          == "--kernel DIR/secret: no permission to read the kernel;"
          + " make the file readable, e.g. with chmod")
    }
  }

  @Test func followsLinks() throws {
    var fixture = try ConfigurationFixture()
    let link = try fixture.directory.makeLink("link", to: "kernel")
    fixture.configuration.bootLoader.kernelPath = link
    #expect(fixture.problem() == nil)
  }

  @Test func goesWithoutInitrd() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.bootLoader.initialRamdiskPaths = []
    #expect(fixture.problem() == nil)
  }

  @Test(arguments: [((4 << 20) - 1, true), (4 << 20, false)])
  func comparesInitrdAndMemory(size: Int, fits: Bool) throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.memorySize = 4 << 20
    try fixture.directory.makeFile("initrd", size: size)
    #expect(
      fixture.problem()
        == (fits
          ? nil
          : "--initrd DIR/initrd: its 4194304 bytes do not fit into 4M of guest memory;"
            + " give more --memory, or a smaller initrd"))
  }

  @Test func comparesAllInitrdsAndMemory() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.memorySize = 4 << 20
    for name in ["initrd", "second"] { try fixture.directory.makeFile(name, size: 2 << 20) }
    fixture.configuration.bootLoader.initialRamdiskPaths.append(fixture.directory["second"])
    #expect(
      fixture.problem()
        == "--initrd DIR/second: its 2097152 bytes do not fit into 4M of guest memory;"
        + " give more --memory, or a smaller initrd")
  }

  @Test func refusesNULInTheCommandLine() throws {
    var fixture = try ConfigurationFixture()
    fixture.configuration.bootLoader.commandLine = "a\0b"
    #expect(
      fixture.problem()
        == "--append a\\x00b: the kernel command line holds a NUL byte; leave it out")
  }
}
