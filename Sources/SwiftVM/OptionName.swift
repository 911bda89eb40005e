/// The command line's names of the settings, which configuration errors use too.
package enum OptionName {
  package static let kernel = "--kernel"
  package static let initrd = "--initrd"
  package static let append = "--append"
  package static let memory = "--memory"
  package static let cpus = "--cpus"
  package static let virtioSerial = "--virtio-serial"
  package static let virtserialport = "--virtserialport"
  package static let virtconsole = "--virtconsole"
  package static let serial = "--serial"
  package static let emergency = "--emergency"
  package static let noReboot = "--no-reboot"
  package static let stats = "--stats"
  package static let chardev = "-chardev"
  package static let device = "-device"
  package static let debugExit = "-device isa-debug-exit"
  package static let trace = "--trace"
  package static let timings = "--timings"

  /// The option that makes such a port.
  static func of(_ port: VirtioConsolePortConfiguration) -> String {
    port.isConsole ? virtconsole : virtserialport
  }
}
