/// What a machine is.
enum InformationCommands {
  static let all = [
    Command("query-version", alone: queryVersion),
    Command("query-name", alone: queryName),
    Command("query-kvm", alone: queryKVM),
    Command("query-cpus-fast", alone: queryCPUs),
    Command("query-pci", alone: queryPCI),
  ]

  private static func queryVersion(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    .value(context.version)
  }

  private static func queryName(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    .value(context.machine.name.map { ["name": .string($0)] } ?? [:])
  }

  private static func queryKVM(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    .value(["enabled": true, "present": true])
  }

  private static func queryCPUs(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    let processors: [JSONValue] = context.machine.processors.map { processor in
      [
        "cpu-index": .integer(processor.index),
        "qom-path": .string("/machine/unattached/device[\(processor.index)]"),
        "thread-id": .integer(processor.thread ?? 0),
        "target": "x86_64",
        "props": ["core-id": .integer(processor.index), "socket-id": 0, "thread-id": 0],
      ]
    }
    return .value(.array(processors))
  }

  private static func queryPCI(_ context: CommandContext) throws(QMPError) -> Command.Outcome {
    let devices = context.machine.pciFunctions.map(json)
    return .value([["bus": 0, "devices": .array(devices)]])
  }

  private static func json(_ function: PCIFunctionReport) -> JSONValue {
    var device = JSONObject()
    device.append("bus", 0)
    device.append("slot", .integer(function.slot))
    device.append("function", .integer(function.function))
    device.append("class_info", ["class": .integer(function.classCode)])
    device.append(
      "id",
      [
        "vendor": .integer(function.vendor), "device": .integer(function.device),
        "subsystem-vendor": .integer(function.subsystemVendor),
        "subsystem": .integer(function.subsystem),
      ])
    if function.interruptPin > 0 { device.append("irq", .integer(function.interruptLine)) }
    device.append("irq_pin", .integer(function.interruptPin))
    device.append("qdev_id", .string(function.id))
    device.append("regions", .array(function.regions.map(json)))
    return .object(device)
  }

  private static func json(_ region: PCIFunctionReport.Region) -> JSONValue {
    var json = JSONObject()
    json.append("bar", .integer(region.index))
    json.append("type", region.isPorts ? "io" : "memory")
    json.append("address", region.address.map { .integer($0) } ?? -1)
    json.append("size", .integer(region.size))
    if !region.isPorts {
      json.append("prefetch", .bool(region.isPrefetchable))
      json.append("mem_type_64", .bool(region.is64Bit))
    }
    return .object(json)
  }
}
