import Glibc
import Host
import Testing

@Suite struct FileDescriptorTests {
  @Test func closesAtTheEndOfItsLife() {
    let number: Int32
    do {
      let owner = FileDescriptor(owning: open("/dev/null", O_RDONLY))
      number = owner.rawValue
      #expect(isOpen(number))
    }
    // Tests beside this one may reuse the number at once, for anything but /dev/null.
    #expect(!isOpen(number) || !isNullDevice(number))
  }

  @Test func leavesAReleasedDescriptorOpen() {
    let owner = FileDescriptor(owning: open("/dev/null", O_RDONLY))
    let number = owner.release()
    #expect(isNullDevice(number))
    close(number)
  }

  private func isNullDevice(_ number: Int32) -> Bool {
    var status = stat()
    return fstat(number, &status) == 0 && status.st_rdev == 0x103
  }
}
