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
      OptionName.virtioSerial, "KEY=VALUE,...", isRepeatable: true,
      help: "A virtio-serial device. Without one, a device is made for the ports. Keys: id=ID;"
        + " max-ports=1...32766 (as many as its ports need, at least 31); transport=pci|mmio (pci);"
        + " disable-legacy=on|off (on), disable-modern=on|off (off); packed=on|off (off);"
        + " event-idx, indirect-desc, queue-reset, multiport=on|off (all on); vectors=0...2048 (one for each"
        + " queue)."),
    CommandOption(
      OptionName.virtserialport, "name=NAME,socket=PATH[,KEY=VALUE...]", isRepeatable: true,
      otherNames: ["-device", "-chardev"],
      help: "A channel: /dev/virtio-ports/NAME in the guest, a listening Unix stream socket at PATH"
        + " on the host. A comma in a value is written twice. Keys: id=ID; bus=ID.0, ID being a"
        + " device's (the first's); nr=NUMBER (the lowest free one); on-host-close=keep|discard,"
        + " what becomes of unread bytes when the client leaves (keep); early=hold|drop, of bytes"
        + " that come before the guest opens the port (hold); on-guest-close=keep|shutdown|close,"
        + " of the client when the guest closes the port (keep); weight=1...64, its share of a busy"
        + " machine (16)."),
    CommandOption(
      OptionName.virtconsole, "stdio|socket=PATH|file=PATH[,KEY=VALUE...]", isRepeatable: true,
      help:
        "A console: /dev/hvc0, hvc1... in the guest. Keys: name=NAME, id=ID, bus=ID.0, nr=NUMBER"
        + " (0 for the first); overflow=drop-newest|drop-oldest, what is dropped when the host end"
        + " is too slow (drop-newest); weight=1...64 (16)."),
    CommandOption(
      OptionName.serial, "stdio|none|file=PATH", otherNames: ["-nographic"],
      help: "Where the serial console goes. stdio is interactive: Ctrl-A x ends the machine. It is"
        + " the default unless a --virtconsole has stdio, then none is. A comma in PATH is written"
        + " twice."),
    CommandOption(
      OptionName.emergency, "serial|file=PATH",
      help: "Where emergency writes to virtio-serial devices go. The serial console by default;"
        + " without one, standard error, three lines a second."),
    CommandOption(
      OptionName.noReboot,
      help: "End with status 3 when the guest resets itself, instead of starting it again."),
    CommandOption(
      OptionName.stats,
      help: "Print at the end, on standard error, what went through each port and which side had it"
        + " open. The signal SIGUSR1 prints it at any time, with or without this option."),
    CommandOption(
      OptionName.trace,
      help: "Print on standard error every control message and change of state. Lines that standard"
        + " error does not take at once are dropped and counted."),
    CommandOption(
      OptionName.timings, help: "Print on standard error when each step of the start was done."),
    help,
    version,
  ]
}
