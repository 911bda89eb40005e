/// What both boot protocols tell the kernel, each in its own form.
struct BootInformation {
  let memoryMap: MemoryMap
  /// Guest physical address of the ACPI root.
  let rsdp: UInt64
  /// Bytes of the command line at `AddressMap.commandLine`, its NUL not counted.
  let commandLineSize: Int
  /// Where the initrd lies, if there is one.
  let initrd: Range<UInt64>?
}
