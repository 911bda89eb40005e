import Glibc
import TestSupport
import Testing

@testable import swiftvm_cli

/// `make install`, of the executable beside the tests and of files in the guest image's place.
@Suite
struct InstallTests {
  private let directory: TemporaryDirectory
  private let status: Int32

  init() throws {
    directory = try TemporaryDirectory()
    try directory.makeDirectory("images")
    for name in ["vmlinux", "vmlinuz", "initramfs.cpio"] {
      try directory.makeFile("images/" + name, bytes: Array(name.utf8))
    }
    let root = Checkout.root
    // Whatever make runs the tests has flags of its own.
    let words = [
      "env", "-u", "MAKEFLAGS", "-u", "MAKELEVEL", "make", "-C", root, "install",
      "DESTDIR=" + directory["root"], "PREFIX=/usr", "program=" + (try Checkout.executable()),
      "images=" + directory["images"],
    ]
    status = system(words.map { "'\($0)'" }.joined(separator: " ") + " >/dev/null 2>&1")
  }

  @Test func putsEverythingInItsPlace() throws {
    #expect(status == 0)
    let share = "root/usr/share/"
    for name in ["vmlinux", "vmlinuz", "initramfs.cpio"] {
      #expect(directory.text(of: share + "swiftvm/" + name) == name)
    }
    #expect(directory.text(of: share + "man/man1/swiftvm.1") == ManualPage.text())
    let scripts: [(ShellCompletion, String)] = [
      (.bash, "bash-completion/completions/swiftvm"), (.zsh, "zsh/site-functions/_swiftvm"),
      (.fish, "fish/vendor_completions.d/swiftvm.fish"),
    ]
    for (shell, path) in scripts { #expect(directory.text(of: share + path) == shell.script()) }
  }

  @Test("The program finds its guest image from there")
  func installsAProgramThatRuns() throws {
    let words = ["env", "-i", directory["root/usr/bin/swiftvm"], "--version"]
    #expect(system(words.map { "'\($0)'" }.joined(separator: " ") + " >/dev/null") == 0)
    #expect(access(directory["root/usr/share/swiftvm/vmlinux"], R_OK) == 0)
  }
}
