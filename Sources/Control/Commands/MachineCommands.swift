import Devices
import SwiftVM

/// What a machine is and does: running, stopping, ending.
enum MachineCommands {
  static let all = [
    Command("query-status", help: "Whether the guest runs, and why not.", queryStatus),
    Command("stop", help: "Pauses the guest.") { context in
      context.machine.pause()
      return .done
    },
    Command("cont", help: "Lets a paused guest go on, and one that -S has wait.") { context in
      context.machine.resume()
      return .done
    },
    Command("system_reset", help: "Resets the guest.") { context in
      context.machine.reset()
      return .done
    },
    Command("system_powerdown", help: "Presses the power button.") { context in
      context.machine.pressPowerButton()
      return .done
    },
    Command("quit", help: "Ends the machine at once, with status 6.") { context in
      context.server.quit()
      return .done
    },
    Command(
      "query-version", help: "The program's version, as QEMU's member \"qemu\", and \"package\"."
    ) { _ in
      .value(ControlServer.version)
    },
    Command("query-name", help: "The machine's --name, if it has one.") { context in
      .value(context.machine.configuration.name.map { ["name": .string($0)] } ?? [:])
    },
    Command("query-kvm", help: "Whether KVM is there: it is.") { _ in
      .value(["enabled": true, "present": true])
    },
    Command(
      "query-cpus-fast", help: "Each virtual CPU, and the thread that runs it.", queryCPUs),
    Command("query-pci", help: "Each function on the PCI bus, and its regions.") { context in
      .value([["bus": 0, "devices": .array(context.machine.pciFunctions.map(json))]])
    },
  ]

  private static func queryStatus(_ context: CommandContext) -> Command.Outcome {
    let status: JSONValue =
      switch context.machine.state {
      case .created: "prelaunch"
      case .running: "running"
      case .paused: "paused"
      case .stopping, .ended: "shutdown"
      }
    return .value([
      "status": status, "singlestep": false, "running": .bool(context.machine.state == .running),
    ])
  }

  private static func queryCPUs(_ context: CommandContext) -> Command.Outcome {
    let processors: [JSONValue] = context.machine.processorThreads.enumerated().map {
      index, thread in
      [
        "cpu-index": .integer(index),
        "qom-path": .string("/machine/unattached/device[\(index)]"),
        "thread-id": .integer(thread ?? 0),
        "target": "x86_64",
        "props": ["core-id": .integer(index), "socket-id": 0, "thread-id": 0],
      ]
    }
    return .value(.array(processors))
  }

  private static func json(_ function: PCIFunctionEntry) -> JSONValue {
    let identity = function.header.identity
    var device = JSONObject()
    device.append("bus", 0)
    device.append("slot", .integer(function.slot))
    device.append("function", 0)
    // Class and subclass.
    device.append("class_info", ["class": .integer(identity.classCode >> 8 & 0xffff)])
    device.append(
      "id",
      [
        "vendor": .integer(identity.vendor), "device": .integer(identity.device),
        "subsystem-vendor": .integer(identity.subsystemVendor),
        "subsystem": .integer(identity.subsystem),
      ])
    if identity.interruptPin > 0 { device.append("irq", .integer(function.header.interruptLine)) }
    device.append("irq_pin", .integer(identity.interruptPin))
    device.append("qdev_id", .string(function.id))
    device.append(
      "regions",
      .array(
        function.header.regions.map { region in
          var json = JSONObject()
          json.append("bar", .integer(region.bar.index))
          json.append("type", region.bar.kind == .io ? "io" : "memory")
          json.append("address", region.address.map { .integer($0) } ?? -1)
          json.append("size", .integer(region.bar.size))
          if region.bar.kind != .io {
            json.append("prefetch", false)
            json.append("mem_type_64", .bool(region.bar.kind == .memory64))
          }
          return .object(json)
        }))
    return .object(device)
  }
}
