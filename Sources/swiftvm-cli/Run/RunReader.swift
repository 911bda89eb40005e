import Control
import Host
import SwiftVM

/// Reads the options of `swiftvm run` into a request.
struct RunReader {
  var request = RunRequest()
  let keys: BackendKeys
  private var chardevs: [ChardevConfiguration] = []
  private var takenChardevs: Set<[UInt8]> = []

  init(_ keys: BackendKeys) { self.keys = keys }

  /// Reads the values of the options given. The order matters only between devices and between ports.
  static func request(
    _ options: [GivenOption], _ keys: BackendKeys
  ) throws(UsageError) -> RunRequest {
    var reader = RunReader(keys)
    let describesChardev = { (given: GivenOption) in given.option.keys == .chardev }
    for given in options.filter(describesChardev) + options.filter({ !describesChardev($0) }) {
      try given.option.store?(&reader, given)
    }
    reader.request.machine.characterDevices = reader.chardevs.filter { chardev in
      chardev.id.map { !reader.takenChardevs.contains(Array($0.utf8)) } ?? false
    }
    try reader.request.refuseStandardIOOfDaemon()
    return reader.request
  }

  mutating func add(_ chardev: ChardevConfiguration) throws(UsageError) {
    let id = chardev.id ?? ""
    guard !chardevs.contains(where: { $0.id == id }) else {
      throw UsageError(
        "-chardev", "id=" + id, "Duplicate ID '\(id)' for chardev", "give another id")
    }
    chardevs.append(chardev)
  }

  /// Takes one of them for good, unless it is shared (`mux=on`).
  ///
  /// - Parameter property: what it is for, as QEMU calls it.
  mutating func takeChardev(
    _ id: String, for property: String
  ) throws(KeyProblem) -> ChardevConfiguration {
    guard let chardev = chardevs.first(where: { $0.id == id }) else {
      let nearest = Suggestion.to(id, among: chardevs.compactMap(\.id))
      throw KeyProblem(
        "Property '\(property)' can't find value '\(PlainText.shortened(id))'",
        nearest.map { "did you mean chardev=\($0)?" }
          ?? "add -chardev BACKEND,id=\(PlainText.shortened(id))")
    }
    guard takenChardevs.insert(Array(id.utf8)).inserted || chardev.isMultiplexed else {
      throw KeyProblem(
        "Property '\(property)' can't take value '\(id)': Device '\(id)' is in use",
        "add mux=on to that -chardev, or give every port one of its own")
    }
    return chardev
  }
}
