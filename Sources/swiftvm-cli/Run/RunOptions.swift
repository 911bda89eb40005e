import SwiftVM

/// The options of `swiftvm run` that are swiftvm's own, a row each.
enum RunOptions {
  static let all = machine + ports + control + diagnosis

  private static let machine = [
    CommandOption(
      "--kernel", "PATH",
      help: "The kernel: a 64-bit bzImage or ELF vmlinux. Without it the project's own guest image"
        + " is booted: from the directory $\(GuestImage.environmentVariable); else from"
        + " guest-images/build beside the program or above it; else from ../share/swiftvm."
    ) { $0.request.machine.bootLoader.kernelPath = $1.value },
    CommandOption(
      "--initrd", "PATH", isRepeatable: true,
      help:
        "The initial RAM disk; several are unpacked one after the other. The guest image brings its own; a --kernel comes without."
    ) { $0.request.machine.bootLoader.initialRamdiskPaths.append($1.value) },
    CommandOption(
      "--append", "TEXT", allowsEmptyValue: true,
      help: "Words for the kernel command line. They follow \"console=ttyS0\" (left out with"
        + " --serial none) and, with --no-reboot, \"panic=-1\", and \"console=hvc0\" if a"
        + " --virtconsole has stdio; so yours win."
    ) { $0.request.machine.bootLoader.commandLine = $1.value },
    CommandOption(
      "--memory", "SIZE", otherNames: ["-m"],
      help: "Guest memory: a number with K, M or G; a plain number counts MiB. 512M by default."
        + " Also -m.", store: MachineOptions.memory),
    CommandOption(
      "--huge-pages", "on|off",
      help:
        "Whether the host gives guest memory in large pages, where it has them: guests are faster,"
        + " and take up memory in steps of 2 MiB. On by default; off where many small guests are to"
        + " fit.", store: MachineOptions.hugePages),
    CommandOption(
      "--cpus", "COUNT", otherNames: ["-smp"],
      help: "Virtual CPUs. 1 by default. Also -smp, with QEMU's cpus=, sockets= and cores=, which"
        + " must agree; the guest sees one socket in any case.", store: MachineOptions.cpus),
    CommandOption(
      "--no-reboot",
      help: "End with status 3 when the guest resets itself, instead of starting it again; and with"
        + " status 8 when all its CPUs have halted with interrupts off, as after \"halt -f\"."
    ) { reader, _ in reader.request.machine.resetPolicy = .exit },
    CommandOption(
      "--on-sigterm", "end|powerdown[,SECONDS]",
      help: "What SIGTERM does: it ends the machine (the default), or presses the guest's power"
        + " button. A guest that has not powered off after so many seconds (60) is ended, as by a"
        + " second SIGTERM.", store: MachineOptions.onSIGTERM),
    CommandOption(
      "--linger", "SECONDS",
      help: "The longest that the end waits for slow readers of what the guest has printed and"
        + " sent. By default as long as they take something every ten seconds.",
      store: MachineOptions.linger),
  ]

  private static let ports = [
    CommandOption(
      "--virtio-serial", "KEY=VALUE,...", isRepeatable: true,
      help:
        "A virtio-serial device. Without one, a device is made for the ports. Its keys are the keys of"
        + " devices.",
      store: DeviceKey.device),
    CommandOption(
      "--virtserialport", "name=NAME,socket=PATH[,KEY=VALUE...]", isRepeatable: true,
      keys: .shortForm,
      help: "A channel: /dev/virtio-ports/NAME in the guest, a listening Unix stream socket at PATH"
        + " on the host, or another backend. A comma in a value is written twice. Its keys are the keys"
        + " of ports and those of backends.",
      store: PortKeys.channel),
    CommandOption(
      "--virtconsole", "stdio|socket=PATH|file=PATH[,KEY=VALUE...]", isRepeatable: true,
      keys: .shortForm,
      help:
        "A console: /dev/hvc0, hvc1... in the guest, with any backend of --virtserialport. Its keys are"
        + " the keys of ports and those of backends.",
      store: PortKeys.console),
    CommandOption(
      "--preset", "agent|spice|guestfs|anaconda-log[,KEY=VALUE...]", isRepeatable: true,
      keys: .shortForm,
      help: "The channel of a well-known program, with the keys of --virtserialport but name."
        + " Without a backend a socket (for anaconda-log a file) of the channel's name in the current directory:"
        + " org.qemu.guest_agent.0, com.redhat.spice.0, org.libguestfs.channel.0,"
        + " org.fedoraproject.anaconda.log.0.", store: PortKeys.preset),
    CommandOption(
      "--serial", "stdio|none|file=PATH|KEY=VALUE,...",
      keys: .shortForm,
      help: "Where the serial console goes: any backend of --virtserialport, or as QEMU's -serial"
        + " names it (unix:PATH,server=on,wait=off, chardev:ID...). stdio is interactive: Ctrl-A h"
        + " shows the keys. It is the default unless a --virtconsole has stdio, then none is. A"
        + " comma in PATH is written twice. overflow=wait: the guest's CPU waits for a reader that"
        + " is too slow, in place of dropping what exceeds 1 MiB.", store: ConsoleOptions.serial),
    CommandOption(
      "--emergency", "serial|file=PATH|chardev=ID",
      help: "Where emergency writes to virtio-serial devices go: the serial console, a file, or the"
        + " backend that a -chardev describes, from which nothing is read. The serial console by"
        + " default; without one, standard error, three lines a second.",
      store: ConsoleOptions.emergency),
  ]

  private static let control = [
    CommandOption(
      "--qmp", "PATH", isRepeatable: true,
      help: "A Unix socket of mode 600 at which this user's programs control the machine by QMP; or"
        + " as QEMU's -qmp names it: unix:PATH,server=on,wait=off. Keys that may follow: allow-uid=N[:N...],"
        + " allow-gid=N[:N...], who is served, too; host=on|off (on), whether clients may have paths,"
        + " addresses and programs of the host opened; insecure=on, needed for tcp: and abstract"
        + " names (host=off there), where every program that gets to them controls the machine.",
      store: ConsoleOptions.qmp),
    CommandOption(
      "--name", "NAME",
      help: "What the machine is called: up to 64 bytes without spaces, slashes and control"
        + " characters, not beginning with a dot. Gives it a control socket, by which swiftvm list"
        + " and the other commands find it, unless a machine of that name runs already.",
      store: MachineOptions.name),
    CommandOption(
      "--pidfile", "PATH",
      help: "A file that holds the process's number while it runs. One that a running process holds"
        + " is left alone."
    ) { $0.request.pidFilePath = $1.value },
    CommandOption(
      "--daemonize",
      help: "Go to the background once everything is open and the guest runs, or waits for its"
        + " first client; errors before that are told as ever. Without --serial the serial console has no backend."
    ) { reader, _ in reader.request.daemonizes = true },
  ]

  private static let diagnosis = [
    CommandOption(
      "--stats",
      help: "Print at the end, on standard error, what went through each port and which side had it"
        + " open. The signal SIGUSR1 prints it at any time, with or without this option."
    ) { reader, _ in reader.request.printsStatistics = true },
    CommandOption(
      "--trace",
      help: "Print on standard error every control message and change of state. Lines that standard"
        + " error does not take at once are dropped and counted."
    ) { reader, _ in reader.request.printsTrace = true },
    CommandOption(
      "--timings", help: "Print on standard error when each step of the start was done."
    ) { reader, _ in reader.request.printsTimings = true },
  ]
}
