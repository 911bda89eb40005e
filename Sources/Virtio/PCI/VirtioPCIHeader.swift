import Devices

/// The configuration space of a virtio-pci function as it is after power-on (virtio 1.2, 4.1.2,
/// 4.1.4).
struct VirtioPCIHeader {
  private static let vendor: UInt16 = 0x1af4
  /// Communication controller of no particular kind.
  private static let classCode: UInt32 = 0x078000

  let configuration: ConfigurationSpace
  /// Where the MSI-X capability is; 0 if there is none.
  let messageCapability: Int
  /// The way to the structures for drivers that cannot map them; nil if there are none.
  let window: ConfigurationWindow?

  init(deviceID: UInt16, interface: PCIInterface, layout: TransportLayout, vectorCount: Int) {
    var space = ConfigurationSpace(Self.identity(deviceID, interface))
    for register in layout.registers { space.add(register) }
    messageCapability = vectorCount == 0 ? 0 : space.append(layout.messageCapability(vectorCount))
    var windowOffset: Int?
    for capability in layout.capabilities { windowOffset = space.append(capability) }
    window = windowOffset.map {
      ConfigurationWindow(capability: $0, bar: layout.memoryRegister.index)
    }
    configuration = space
  }

  /// A legacy driver binds to device ids from 0x1000 to 0x103f with revision 0 and learns the kind
  /// of device from the subsystem id (4.1.2.3). The subsystem id of the modern function is free
  /// above 0x40; the one here is that which the Windows driver's list of hardware names.
  private static func identity(_ deviceID: UInt16, _ interface: PCIInterface) -> PCIIdentity {
    PCIIdentity(
      vendor: vendor,
      device: interface.hasLegacy ? transitionalID(of: deviceID) : 0x1040 &+ deviceID,
      revision: interface.hasLegacy ? 0 : 1, classCode: classCode, subsystemVendor: vendor,
      subsystem: interface.hasLegacy ? deviceID : 0x1100, interruptPin: 1)
  }

  /// The table of transitional ids (4.1.2.1) is not in the order of device ids.
  private static func transitionalID(of deviceID: UInt16) -> UInt16 {
    switch deviceID {
    case 1: 0x1000
    case 2: 0x1001
    case 5: 0x1002
    case 3: 0x1003
    case 8: 0x1004
    case 4: 0x1005
    case 9: 0x1009
    default: preconditionFailure("this type of device has no legacy interface")
    }
  }
}

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
