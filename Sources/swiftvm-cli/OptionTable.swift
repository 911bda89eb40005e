import SwiftVM

/// Every option of every command; parser and help both go by these tables.
package enum OptionTable {
  package static let help = CommandOption("--help", otherNames: ["-h"], help: "Show this help.")
  package static let version = CommandOption("--version", help: "Show the version.")
  package static let quiet = CommandOption(
    "--quiet", help: "Print nothing; the exit status tells.")

  /// The options of `swiftvm check`.
  package static let check = [quiet, help, version]

  /// The options of `swiftvm run`.
  package static let run = [
    CommandOption(
      OptionName.kernel, "PATH",
      help: "The kernel: a 64-bit bzImage or ELF vmlinux. Without it the project's own guest image"
        + " is booted: from the directory $\(GuestImage.environmentVariable); else from"
        + " guest-images/build beside the program or above it; else from ../share/swiftvm."),
    CommandOption(
      OptionName.initrd, "PATH",
      help: "The initial RAM disk. The guest image brings its own; a --kernel comes without."),
    CommandOption(
      OptionName.append, "TEXT", allowsEmptyValue: true,
      help: "Words for the kernel command line. They follow \"console=ttyS0\" (left out with"
        + " --serial none) and, with --no-reboot, \"panic=-1\"; so yours win."),
    CommandOption(
      OptionName.memory, "SIZE", otherNames: ["-m"],
      help: "Guest memory: a number with K, M or G; a plain number counts MiB. 512M by default."),
    CommandOption(
      OptionName.cpus, "COUNT", otherNames: ["-smp"], help: "Virtual CPUs. 1 by default."),
    CommandOption(
      OptionName.virtserialport, "name=NAME,socket=PATH", isRepeatable: true,
      otherNames: ["-device", "-chardev"],
      help: "A channel: /dev/virtio-ports/NAME in the guest, a listening Unix stream socket at PATH"
        + " on the host. Repeatable, up to 510 times. A comma in a value is written twice."),
    CommandOption(
      OptionName.serial, "stdio|none|file=PATH", otherNames: ["-nographic"],
      help: "Where the serial console goes. stdio (the default) is interactive: Ctrl-A x ends the"
        + " machine. A comma in PATH is written twice."),
    CommandOption(
      OptionName.noReboot,
      help: "End with status 3 when the guest resets itself, instead of starting it again."),
    CommandOption(
      OptionName.timings, help: "Print on standard error when each step of the start was done."),
    help,
    version,
  ]
}
