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
  package static let preset = "--preset"
  package static let qmp = "--qmp"
  package static let mon = "-mon"
  package static let monitor = "-monitor"
  package static let name = "--name"
  package static let pidFile = "--pidfile"
  package static let daemonize = "--daemonize"
  package static let machine = "-machine"
  package static let accel = "-accel"
  package static let cpu = "-cpu"
  package static let display = "-display"
  package static let vga = "-vga"
  package static let rtc = "-rtc"
  package static let overcommit = "-overcommit"
  package static let boot = "-boot"
  package static let startPaused = "-S"
  package static let action = "-action"
  package static let noDefaults = "-nodefaults"
  package static let trace = "--trace"
  package static let timings = "--timings"

  /// The option that makes such a port.
  static func of(_ port: VirtioConsolePortConfiguration) -> String {
    port.isConsole ? virtconsole : virtserialport
  }
}
