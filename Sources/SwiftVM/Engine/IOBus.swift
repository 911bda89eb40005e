import Devices
import KVM

/// Sends a vCPU's exits to the device at the port or address. Callable on any thread.
final class IOBus: VCPUExitHandler {
  let ports = AddressSpace(name: "ports")
  let memory = AddressSpace(name: "memory")

  func portRead(port: UInt16, width: Int) -> UInt32 {
    UInt32(truncatingIfNeeded: ports.read(address: UInt64(port), width: width))
  }

  func portWrite(port: UInt16, width: Int, value: UInt32) {
    ports.write(address: UInt64(port), width: width, value: UInt64(value))
  }

  func mmioRead(address: UInt64, width: Int) -> UInt64 {
    memory.read(address: address, width: width)
  }

  func mmioWrite(address: UInt64, width: Int, value: UInt64) {
    memory.write(address: address, width: width, value: value)
  }
}
