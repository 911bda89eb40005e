import Glibc
import TestSupport
import Testing

@testable import swiftvm_cli

/// The directory of the control sockets of machines with a name.
@Suite struct ControlDirectoryTests {
  private let parent: TemporaryDirectory

  init() throws { parent = try TemporaryDirectory() }

  @Test func isTheUsersAlone() throws {
    let directory = ControlDirectory(path: parent["d"])
    #expect(directory.names == [])
    try directory.make()
    try directory.make()
    var status = stat()
    #expect(stat(parent["d"], &status) == 0)
    #expect(status.st_mode & 0o777 == 0o700)
    try parent.makeSocket("d/vm.sock")
    try parent.makeFile("d/other")
    #expect(directory.names == ["vm"])
    #expect(directory.socket(of: "vm") == parent["d"] + "/vm.sock")
  }

  @Test func trustsNoDirectoryThatOthersMayWriteTo() throws {
    let directory = ControlDirectory(path: parent["d"])
    try directory.make()
    try parent.makeSocket("d/vm.sock")
    chmod(parent["d"], 0o777)
    #expect(throws: ControlError.self) { try directory.make() }
    #expect(directory.names == [])
    try parent.makeLink("link", to: "d")
    chmod(parent["d"], 0o700)
    #expect(throws: ControlError.self) { try ControlDirectory(path: parent["link"]).make() }
    #expect(throws: ControlError.self) { try ControlDirectory(path: parent["none/d"]).make() }
  }
}
