import Devices
import SwiftVM

/// What a machine is and does: running, stopping, ending.
enum MachineCommands {
  static let all = [
    Command(
      "query-version",
      help: "The program's version, as QEMU's member \"qemu\", and \"package\".",
      tells: { _ in ControlServer.version }),
    Command(
      "query-commands", help: "The names of all commands.",
      tells: { _ in .array(QMPCommandTable.names.sorted().map { ["name": .string($0)] }) }),
    Command(
      "query-name", help: "The machine's --name, if it has one.",
      tells: { ["name": $0.engine.configuration.name.map { .string($0) }] }),
    Command(
      "query-kvm", help: "Whether KVM is there: it is.",
      tells: { _ in ["enabled": true, "present": true] }),
    Command("query-status", help: "Whether the guest runs, and why not.", tells: queryStatus),
    Command(
      "query-cpus-fast", help: "Each virtual CPU, and the thread that runs it.", tells: queryCPUs),
    Command(
      "query-pci", help: "Each function on the PCI bus, and its regions.",
      tells: { [["bus": 0, "devices": .array($0.engine.pciFunctions.map(json))]] }),
    Command("stop", help: "Pauses the guest.", does: { $0.machine.pause() }),
    Command(
      "cont", help: "Lets a paused guest go on, and one that -S has wait.",
      does: { $0.machine.resume() }),
    Command("system_reset", help: "Resets the guest.", does: { $0.machine.reset() }),
    Command(
      "system_powerdown", help: "Presses the power button.",
      does: { $0.machine.pressPowerButton() }),
    Command(
      "quit", help: "Ends the machine at once, with status 6.", does: { $0.server.quit() }),
    Command(
      "human-monitor-command", .text("command-line"), .optionalInteger("cpu-index"),
      help: "Is refused: there is no human monitor."
    ) { (_, line, _) throws(QMPError) in
      throw QMPError(
        "there is no human monitor for '\(line)'; use QMP commands, see query-commands")
    },
  ]

  private static func queryStatus(_ context: CommandContext) -> JSONValue {
    let state = context.machine.state
    let status: JSONValue =
      switch state {
      case .created: "prelaunch"
      case .running: "running"
      case .paused: "paused"
      case .stopping, .ended: "shutdown"
      }
    return ["status": status, "singlestep": false, "running": .bool(state == .running)]
  }

  private static func queryCPUs(_ context: CommandContext) -> JSONValue {
    let processors: [JSONValue] = context.engine.processorThreads.enumerated().map {
      index, thread in
      [
        "cpu-index": .integer(index),
        "qom-path": .string("/machine/unattached/device[\(index)]"),
        "thread-id": .integer(thread ?? 0),
        "target": "x86_64",
        "props": ["core-id": .integer(index), "socket-id": 0, "thread-id": 0],
      ]
    }
    return .array(processors)
  }

  private static func json(_ function: PCIFunctionEntry) -> JSONValue {
    let identity = function.header.identity
    return [
      "bus": 0, "slot": .integer(function.slot), "function": 0,
      // Class and subclass.
      "class_info": ["class": .integer(identity.classCode >> 8 & 0xffff)],
      "id": [
        "vendor": .integer(identity.vendor), "device": .integer(identity.device),
        "subsystem-vendor": .integer(identity.subsystemVendor),
        "subsystem": .integer(identity.subsystem),
      ],
      "irq": identity.interruptPin > 0 ? .integer(function.header.interruptLine) : nil,
      "irq_pin": .integer(identity.interruptPin),
      "qdev_id": .string(function.id),
      "regions": .array(
        function.header.regions.map { region in
          let isMemory = region.bar.kind != .io
          return [
            "bar": .integer(region.bar.index), "type": isMemory ? "memory" : "io",
            "address": region.address.map { .integer($0) } ?? -1,
            "size": .integer(region.bar.size), "prefetch": isMemory ? false : nil,
            "mem_type_64": isMemory ? .bool(region.bar.kind == .memory64) : nil,
          ]
        }),
    ]
  }
}
