/// First in, first out, at the same average cost per element however many there are; holds room for
/// about as many elements as are waiting.
struct Fifo<Element> {
  private var storage: [Element?] = []
  private var head = 0

  var isEmpty: Bool { head == storage.count }

  /// The element that has waited longest.
  var first: Element? { isEmpty ? nil : storage[head] }

  mutating func append(_ element: Element) { storage.append(element) }

  @discardableResult
  mutating func removeFirst() -> Element? {
    guard !isEmpty else { return nil }
    let element = storage[head]
    storage[head] = nil
    head += 1
    if head * 2 >= storage.count { compact() }
    return element
  }

  mutating func removeAll() {
    storage = []
    head = 0
  }

  mutating func removeAll(where matches: (Element) -> Bool) {
    compact()
    storage.removeAll { $0.map(matches) ?? true }
  }

  private mutating func compact() {
    storage.removeFirst(head)
    head = 0
  }
}
