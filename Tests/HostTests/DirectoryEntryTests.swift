import Glibc
import Host
import TestSupport
import Testing

/// Files that are opened for writing where other users may write, too.
@Suite
struct DirectoryEntryTests {
  private static let access = O_WRONLY | O_APPEND
  private static let stranger: uid_t = 65534
  private static let root = ConditionTrait.enabled(
    if: geteuid() == 0, "skipped: only root can give files to another user")

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Why a file is not opened; nil if it is, and a byte was written to it.
  private func refusal(_ path: String) -> FileRefusal? {
    do throws(FileRefusal) {
      let file = try DirectoryEntry(path).openOrCreate(Self.access).file()
      #expect(write(file.rawValue, "+", 1) == 1)
      return nil
    } catch { return error }
  }

  private func give(_ name: String, mode: mode_t? = nil) {
    #expect(lchown(directory[name], Self.stranger, Self.stranger) == 0)
    if let mode { #expect(chmod(directory[name], mode) == 0) }
  }

  @Test func makesAFileForItsUserAlone() throws {
    #expect(refusal(directory["new"]) == nil)
    var status = stat()
    #expect(stat(directory["new"], &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o600)
    #expect(directory.text(of: "new") == "+")
    #expect(refusal(directory["new"]) == nil)
    #expect(directory.text(of: "new") == "++")
  }

  @Test("A file is made with the permissions asked for, whatever the umask")
  func makesAFileWithAMode() throws {
    /// Whether the file was made.
    func make(_ mode: mode_t) throws -> Bool {
      guard let file = try DirectoryEntry(directory["new"]).create(Self.access, mode: mode) else {
        return false
      }
      return file.rawValue >= 0
    }
    #expect(try make(0o666))
    var status = stat()
    #expect(stat(directory["new"], &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o666)
    #expect(try !make(0o600))
  }

  @Test("A symbolic link is followed neither to an existing file nor to a missing one")
  func followsNoLink() throws {
    try directory.makeFile("victim", bytes: [1])
    try directory.makeLink("link", to: "victim")
    try directory.makeLink("dangling", to: "nothing")
    for name in ["link", "dangling"] { #expect(refusal(directory[name]) == .link) }
    #expect(directory.text(of: "victim") == "\u{1}")
    #expect(directory.entries == ["dangling", "link", "victim"])
  }

  @Test func leavesAFileWithTwoNamesAlone() throws {
    try directory.makeFile("victim", bytes: [1])
    #expect(link(directory["victim"], directory["name"]) == 0)
    #expect(refusal(directory["name"]) == .otherNames)
    #expect(directory.text(of: "victim") == "\u{1}")
  }

  @Test(root) func leavesAnotherUsersFileAlone() throws {
    try directory.makeFile("file", bytes: [1])
    give("file", mode: 0o666)
    #expect(refusal(directory["file"]) == .foreign(owner: Self.stranger))
    #expect(directory.text(of: "file") == "\u{1}")
  }

  @Test("Another user's pipe is opened, except in a directory that all users may write", root)
  func listensToPipes() throws {
    try directory.makePipe("pipe")
    give("pipe", mode: 0o666)
    let reader = open(directory["pipe"], O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    defer { close(reader) }
    #expect(refusal(directory["pipe"]) == nil)
    #expect(chmod(directory.path, 0o1777) == 0)
    #expect(refusal(directory["pipe"]) == .foreign(owner: Self.stranger))
  }

  @Test(
    "A link on the way leads to its maker's directories only, unless the maker is trusted", root)
  func walksLinksWithCare() throws {
    try directory.makeDirectory("roots")
    try directory.makeDirectory("strangers")
    give("strangers")
    try directory.makeLink("own", to: "roots")
    try directory.makeLink("planted", to: directory["roots"])
    try directory.makeLink("theirs", to: "strangers")
    try directory.makeLink("round", to: "round")
    for name in ["planted", "theirs"] { give(name) }
    #expect(refusal(directory["own/a"]) == nil)
    #expect(refusal(directory["theirs/b"]) == nil)
    let error = FileRefusal.foreignLink(name: "planted", owner: Self.stranger)
    #expect(refusal(directory["planted/c"]) == error)
    #expect(directory.text(of: "roots/a") == "+")
    #expect(directory.text(of: "strangers/b") == "+")
    guard case .system(let reason) = refusal(directory["round/d"]) else {
      Issue.record("followed a link to itself")
      return
    }
    #expect(reason.errno == ELOOP)
  }

  @Test(
    "Where the system keeps its links, they are followed", arguments: ["/dev/null", "/dev/fd/"])
  func followsTheSystemsLinks(path: String) throws {
    let file = open(
      try directory.makeFile("file"), O_WRONLY | O_CLOEXEC)
    defer { close(file) }
    #expect(refusal(path.hasSuffix("/") ? path + "\(file)" : path) == nil)
  }

  @Test func tellsAFileFromAnotherOfItsName() throws {
    let entry = try DirectoryEntry(directory["a"])
    let file = try entry.openOrCreate(Self.access).file()
    let identity = try #require(FileIdentity(of: file.rawValue))
    let leads = entry.leads(to: identity)
    #expect(leads)
    try entry.rename(suffix: "", to: ".1")
    try directory.makeFile("a")
    let leadsStill = entry.leads(to: identity)
    #expect(!leadsStill)
    entry.remove(ifLeadingTo: identity)
    #expect(directory.entries == ["a", "a.1"])
  }
}
