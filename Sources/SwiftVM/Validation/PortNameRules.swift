import Host

/// What names of ports may be: each a file name under `/dev/virtio-ports`, none used twice in a
/// machine (also not by two devices, as in QEMU). A port may go without.
struct PortNameRules {
  // Bytes, since String's == takes different spellings of a character for one name.
  private var taken: Set<[UInt8]> = []

  mutating func check(_ port: VirtioConsolePortConfiguration) throws(ConfigurationError) {
    guard let name = port.name else { return }
    func error(_ problem: String, _ remedy: String) -> ConfigurationError {
      ConfigurationError(
        option: OptionName.of(port), value: "name=" + name, problem: problem, remedy: remedy)
    }
    let bytes = Array(name.utf8)
    let choose = "choose another name"
    guard !bytes.isEmpty else {
      throw error("the name is empty", "give e.g. name=org.example.port.0")
    }
    guard bytes.count <= VirtioConsolePortConfiguration.maximumNameLength else {
      throw error("the name has \(bytes.count) bytes, and at most 255 fit", choose)
    }
    guard !bytes.contains(UInt8(ascii: "/")) else {
      throw error("the name holds \"/\", and it becomes a file name in the guest", choose)
    }
    guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
      throw error("the name holds a control character", choose)
    }
    guard name != ".", name != ".." else {
      throw error("the name means a directory in the guest", choose)
    }
    guard taken.insert(bytes).inserted else {
      throw error("A port already exists by name \(PlainText.shortened(name))", choose)
    }
  }
}
