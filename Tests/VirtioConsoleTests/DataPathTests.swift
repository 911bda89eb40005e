import TestSupport
import Testing

/// The README's picture of the way of a byte, held to the code.
///
/// Each line names a file and the functions that a byte's way crosses in it. A line that is indented
/// further is called by the line above it.
@Suite struct DataPathTests {
  private struct Step {
    let indentation: Int
    let file: String
    let functions: [String]
    /// The step that calls this one.
    var caller: Int?
  }

  private static let root = Checkout.root

  @Test(
    "The picture names at most twelve files each way, each once, and every step calls the next one",
    arguments: ["Guest to host", "Host to guest"])
  func pictureMatchesCode(title: String) throws {
    let steps = try Self.steps(under: title)
    #expect((8...12).contains(steps.count))
    #expect(Set(steps.map(\.file)).count == steps.count, "a file is entered twice")
    for step in steps {
      let text = try Self.text("\(Self.root)/Sources/\(step.file)")
      let callers = try step.caller.map { caller in
        let file = try Self.text("\(Self.root)/Sources/\(steps[caller].file)")
        return steps[caller].functions.map { Self.body(of: $0, in: file) }
      }
      for (place, function) in step.functions.enumerated() {
        #expect(!Self.body(of: function, in: text).isEmpty, "\(step.file) has no \(function)")
        let before = step.functions.prefix(place).map { Self.body(of: $0, in: text) }
        guard let callers else { continue }
        let isCalled =
          (callers + before).contains { $0.contains("\(function)(") }
          || Self.isRegistered(function, in: text)
        #expect(isCalled, "nothing before it calls \(function) of \(step.file)")
      }
    }
  }

  @Test func findsWhatAFunctionCalls() {
    let text = "struct A {\n  func f() {\n    g(1)\n  }\n\n  func g(_ x: Int) { h() }\n}\n"
    #expect(Self.body(of: "f", in: text).contains("g("))
    #expect(!Self.body(of: "f", in: text).contains("h("))
    #expect(Self.body(of: "g", in: text).contains("h("))
    #expect(Self.body(of: "h", in: text).isEmpty)
  }

  /// The event loop calls what was registered with it.
  private static func isRegistered(_ function: String, in text: String) -> Bool {
    let lines = text.split(separator: "\n")
    return lines.indices.contains { index in
      lines[index].contains("loop.register(")
        && lines[index...].prefix(4).contains { $0.contains("self?.\(function)(") }
    }
  }

  /// The lines of every function of this name, up to the brace at its own indentation.
  private static func body(of function: String, in text: String) -> String {
    var body: [Substring] = []
    var indentation: Int?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let lineIndentation = line.prefix { $0 == " " }.count
      if indentation == nil, line.contains("func \(function)(") {
        let isOneLine = line.hasSuffix("}")
        body.append(line.split(separator: ")", maxSplits: 1).last ?? line)
        indentation = isOneLine ? nil : lineIndentation
      } else if let start = indentation {
        body.append(line)
        if lineIndentation == start, line.hasSuffix("}") { indentation = nil }
      }
    }
    return body.joined(separator: "\n")
  }

  private static func steps(under title: String) throws -> [Step] {
    var steps: [Step] = []
    let lines = try text("\(root)/README.md").split(
      separator: "\n", omittingEmptySubsequences: false)
    let picture = lines.drop { !$0.hasPrefix("    \(title)") }.dropFirst()
      .prefix { !$0.allSatisfy { $0 == " " } }
    for line in picture {
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2, words[0].hasSuffix(".swift") else { continue }
      let functions = words[1].split(separator: ",").map {
        String($0.filter { $0 != " " })
      }
      let indentation = line.prefix { $0 == " " }.count
      let caller = steps.lastIndex { $0.indentation < indentation }
      steps.append(
        Step(
          indentation: indentation, file: String(words[0]), functions: functions, caller: caller))
    }
    return steps
  }

  private static func text(_ path: String) throws -> String {
    String(decoding: try File.contents(path), as: UTF8.self)
  }
}
