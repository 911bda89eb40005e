import TestSupport
import Testing

extension StockGuestTests.ProgramEndTests {
  /// guestfish starts the machine and talks to the daemon in it: libguestfs listens, the port's host
  /// end connects.
  @Test func guestfishMakesAndFillsAFileSystem() throws {
    let files = try TemporaryDirectory()
    let sent = files["sent"], received = files["received"], commands = files["commands"]
    try Tool.makeRandomFile(sent, mebibytes: 8)
    try File.write(
      Array(
        """
        add-drive /dev/null
        run
        mkfs ext2 /dev/loop0
        mount /dev/loop0 /
        mkdir /folder
        write /folder/text "written by the host"
        ls /folder
        cat /folder/text
        upload \(sent) /folder/bytes
        checksum sha256 /folder/bytes
        download /folder/bytes \(received)
        umount-all
        """.utf8), to: commands)
    let output = try Tool.shell(
      "\(ProgramImage.guestfish) -f '\(commands)'", seconds: 2 * Guest.bootLimit)
    let sum = try Tool.sha256(ofFile: sent)
    #expect(output.split(separator: "\n") == ["text", "written by the host", Substring(sum)])
    #expect(try Tool.sha256(ofFile: received) == sum)
  }
}
