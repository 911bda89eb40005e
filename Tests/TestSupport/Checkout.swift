import Glibc
import Host

/// Where the checkout that holds these tests has what they run and compare with.
package enum Checkout {
  /// The package's folder.
  package static let root =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

  /// The images of Linux guests.
  package static let guestImages = root + "/guest-images/build"

  /// The image of the bare-metal guest of `guest-images/micro`.
  package static let microGuest = guestImages + "/micro/guest.elf"

  /// Why tests that need the bare-metal guest's image are skipped; nil where it is there.
  package static let microGuestObstacle: String? =
    access(microGuest, R_OK) == 0 ? nil : "skipped: run guest-images/micro/build.sh first"

  /// The executable that was built with these tests, beside their bundle.
  package static func executable() throws -> String {
    guard let bundle = realpath("/proc/self/exe", nil) else {
      throw SystemError("realpath", errno: errno)
    }
    defer { free(bundle) }
    let directory = String(cString: bundle).split(separator: "/").dropLast()
    let path = "/" + directory.joined(separator: "/") + "/swiftvm"
    guard access(path, X_OK) == 0 else { throw SystemError("access " + path, errno: errno) }
    return path
  }
}
