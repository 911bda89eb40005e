import Devices

/// The PCI_CFG capability: an access to BAR memory through configuration space (virtio 1.2,
/// 4.1.4.9), for drivers that cannot map the BAR.
struct ConfigurationWindow {
  /// An access the driver asks for.
  struct Access: Equatable {
    let offset: UInt64
    let width: Int
  }

  /// Where the capability is in configuration space.
  let capability: Int
  /// Index of the one BAR it reaches.
  let bar: Int

  /// Of pci_cfg_data in configuration space.
  var dataRegister: Int { capability + 16 }

  /// Whether a configuration access touches pci_cfg_data.
  func contains(register: Int, width: Int) -> Bool {
    register < dataRegister + 4 && register + width > dataRegister
  }

  /// What bar, offset and length ask for; nil where they ask for nothing that exists.
  func access(in configuration: ConfigurationSpace) -> Access? {
    let bar = configuration.read(register: capability + 4, width: 1)
    let offset = configuration.read(register: capability + 8, width: 4)
    let length = configuration.read(register: capability + 12, width: 4)
    guard self.bar == Int(bar), [1, 2, 4].contains(length), offset % length == 0 else {
      return nil
    }
    return Access(offset: UInt64(offset), width: Int(length))
  }
}
