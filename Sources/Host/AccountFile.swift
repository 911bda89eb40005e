import Glibc

/// Users and groups in the host's files. Only these are read: a static program cannot load the host's
/// other name services.
package enum AccountFile {
  private static let users = "/etc/passwd"
  private static let groups = "/etc/group"

  /// The number of a user.
  package static func user(_ name: String) -> uid_t? {
    fields(users) { $0[0] == name }.flatMap { uid_t($0[2]) }
  }

  /// The number of a group.
  package static func group(_ name: String) -> gid_t? {
    fields(groups) { $0[0] == name }.flatMap { gid_t($0[2]) }
  }

  /// The name of a user; without one the number as text.
  package static func name(ofUser number: uid_t) -> String {
    fields(users) { uid_t($0[2]) == number }?[0] ?? "\(number)"
  }

  /// The name of a group; without one the number as text.
  package static func name(ofGroup number: gid_t) -> String {
    fields(groups) { gid_t($0[2]) == number }?[0] ?? "\(number)"
  }

  /// Whether the file of groups names a user as a member.
  package static func lists(user: String, inGroup number: gid_t) -> Bool {
    fields(groups) { gid_t($0[2]) == number }?.dropFirst(3).first?
      .split(separator: ",").contains { $0 == user } == true
  }

  /// The fields of the first line that fits (passwd(5), group(5)), three at least.
  private static func fields(_ path: String, where fits: ([String]) -> Bool) -> [String]? {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) >= 0, let text = line {
      let fields = String(cString: text).split(separator: "\n").first?
        .split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      if let fields, fields.count > 2, fits(fields) { return fields }
    }
    return nil
  }
}
