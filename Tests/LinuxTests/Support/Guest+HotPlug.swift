import Control
import TestSupport

/// Ports, their backends and whole devices that come and go, by the control socket.
extension Guest {
  /// Adds a chardev that listens at the socket `file(id)`.
  func addSocket(_ id: String) throws {
    try addChardev(
      id, "socket",
      [
        "addr": ["type": "unix", "data": ["path": .string(socketPath(id))]], "server": true,
        "wait": false,
      ])
  }

  /// Adds a chardev; returns what the command returns.
  @discardableResult
  func addChardev(_ id: String, _ type: String, _ data: JSONValue = [:]) throws -> JSONValue {
    try control.execute(
      "chardev-add", ["id": .string(id), "backend": ["type": .string(type), "data": data]])
  }

  func removeChardev(_ id: String) throws {
    try control.execute("chardev-remove", ["id": .string(id)])
  }

  /// What query-chardev tells of one; nil where there is none.
  func chardev(_ id: String) throws -> JSONValue? {
    try control.execute("query-chardev").elements?.first { $0["label"] == .string(id) }
  }

  /// Adds a port whose id, name and chardev are called alike, and waits until the guest has it.
  ///
  /// - Parameters:
  ///   - device: the device's id; nil for the first one.
  ///   - number: nil for the lowest that is free.
  func addPort(_ name: String, to device: String? = nil, number: Int? = nil) throws {
    try control.execute("device_add", Self.port(name, to: device, number: number))
    try agent.run("await-port \(name)")
  }

  /// What device_add is given for a port.
  static func port(
    _ name: String, id: String? = nil, to device: String? = nil, number: Int? = nil,
    driver: String = "virtserialport"
  ) -> JSONValue {
    [
      "driver": .string(driver), "id": .string(id ?? name), "name": .string(name),
      "chardev": .string(name), "bus": device.map { .string($0 + ".0") },
      "nr": number.map { .integer($0) },
    ]
  }

  /// Adds a virtio-serial device on the PCI bus.
  func addDevice(_ id: String) throws {
    try control.execute("device_add", ["driver": "virtio-serial-pci", "id": .string(id)])
  }

  /// Removes a port or a device, and waits until it is gone.
  func remove(_ id: String) throws {
    try control.execute("device_del", ["id": .string(id)])
    try control.awaitEvent("DEVICE_DELETED") { $0["device"] == .string(id) }
  }

  /// Waits until the guest no longer has these ports.
  func awaitAbsence(of names: [String]) throws {
    let paths = names.map { "/dev/virtio-ports/" + $0 }.joined(separator: " ")
    try agent.wait(
      until: "! ls -d \(paths) 2>/dev/null | grep -q .", "\(names.count) ports to go")
  }

  /// The guest sends back a word through each of the ports, which all are in use at once.
  func checkEchoes(_ ports: [String]) throws {
    for port in ports { try agent.run("await-port \(port)") }
    let paths = ports.map { "/dev/virtio-ports/" + $0 }.joined(separator: " ")
    try agent.start("echoes", "for port in \(paths); do vport echo $port 6 & done; wait")
    let clients = try ports.map { try connect($0) }
    for client in clients { try client.sendAll("hello\n") }
    for (port, client) in zip(ports, clients) {
      let answer = try client.receiveLine()
      guard answer == "hello" else { throw Failure("\(port) answers \(answer) to hello") }
    }
    try agent.finish("echoes")
  }

  /// The guest sends back a line through a port.
  func checkEcho(_ port: String, _ client: SocketClient, _ word: String = "hello") throws {
    try agent.run("await-port \(port)")
    try agent.start(
      "echo", "vport echo /dev/virtio-ports/\(port) \(word.utf8.count + 1)")
    try client.sendAll(word + "\n")
    let answer = try client.receiveLine()
    guard answer == word else { throw Failure("\(port) answers \(answer) to \(word)") }
    try agent.finish("echo")
  }
}
