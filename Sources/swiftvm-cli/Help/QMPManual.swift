import Control

/// What the manual page says of QMP: every command with its arguments, and every event.
enum QMPManual {
  /// How a client speaks to a machine. In `ManualText`'s form.
  static let introduction = """
    CONTROL
      A machine with a --name has a control socket in the user's runtime directory, by which the commands
      above find it. One with --qmp PATH is found by --control PATH. Both speak QMP, QEMU's protocol: JSON
      objects in UTF-8, with up to 16 clients at once.

      A client first says {"execute":"qmp_capabilities"}. What it may cost is bounded: a message of
      1 MiB, 1 MiB that it has not read, 256 KiB for one ringbuf-read (the next goes on), 256 bytes of
      ASCII for a name, 4096 bytes for a path, 64 descriptors that it leaves.
    """

  /// A command's arguments as they are written, and what it does.
  ///
  /// - Parameter keys: those of backends, some of which are arguments of `chardev-add`.
  static func commands(_ keys: BackendKeys) -> [(usage: String, meaning: String)] {
    let own = keys.keys.compactMap { $0.name(in: .qmp) }.filter { $0.hasPrefix("x-swiftvm-") }
    return [
      (
        "qmp_capabilities",
        "Begins: other commands are taken from then on. Argument: enable, an array."
      ),
      ("query-version", "The program's version, as QEMU's member \"qemu\", and \"package\"."),
      ("query-commands", "The names of all commands."),
      ("query-name", "The machine's --name, if it has one."),
      ("query-kvm", "Whether KVM is there: it is."),
      ("query-status", "Whether the guest runs, and why not."),
      ("query-cpus-fast", "Each virtual CPU, and the thread that runs it."),
      ("query-pci", "Each function on the PCI bus, and its regions."),
      ("stop", "Pauses the guest."),
      ("cont", "Lets a paused guest go on, and one that -S has wait."),
      ("system_reset", "Resets the guest."),
      ("system_powerdown", "Presses the power button."),
      ("quit", "Ends the machine at once, with status 6."),
      (
        "human-monitor-command command-line",
        "Is refused: there is no human monitor."
      ),
      ("query-chardev", "Each backend: its label, what it is, and whether a port has it open."),
      ("query-chardev-backends", "The types that chardev-add takes."),
      (
        "chardev-add id backend",
        "Opens a backend for ports to come, as in QEMU: {\"type\":TYPE,\"data\":{...}}. Types: file (out, in,"
          + " append), pipe (device), pty, null, ringbuf and memory (size), socket (addr, server, wait,"
          + " reconnect, reconnect-ms, nodelay), udp (remote, local); all: logfile, logappend. The"
          + " address of a socket is of type unix (path, abstract), inet (host, port, to, ipv4, ipv6) or"
          + " fd (str, a name given by getfd). out may be /dev/fdset/N. swiftvm's own keys of sockets, as of"
          + " the options of backends: \(own.joined(separator: ", ")). Returns the path of a pty."
      ),
      (
        "chardev-change id backend",
        "Exchanges a backend, of a port in use, too: the guest keeps the port, and sees its host side"
          + " close and open."
      ),
      ("chardev-remove id", "Closes a backend that no port has."),
      ("chardev-send-break id", "Sends a break to the guest, through a serial console."),
      (
        "ringbuf-read device size [format]",
        "Takes bytes out of a ring buffer, as text, or with format base64 in that."
      ),
      (
        "ringbuf-write device data [format]",
        "Puts bytes into a ring buffer, for the guest to read."
      ),
      (
        "device_add driver [id name chardev bus nr \(policyKeys)] [max_ports vectors addr]",
        "Adds a port (driver virtserialport or virtconsole) to a device, or a virtio-serial device"
          + " (virtio-serial-pci) on PCI. A device is plugged by ACPI, as stock kernels handle it, and only"
          + " into a machine that began with a control socket: others spare the guest 31 slots, and the"
          + " kernel's line for each."
      ),
      (
        "device_del id",
        "Removes a port at once, or asks the guest to let a device go. DEVICE_DELETED tells when it is"
          + " gone."
      ),
      ("getfd fdname", "Keeps the descriptor that is passed along (SCM_RIGHTS) under a name."),
      ("closefd fdname", "Closes that descriptor."),
      (
        "add-fd [fdset-id opaque]",
        "Keeps the descriptor that is passed along in a set, as /dev/fdset/N."
      ),
      ("remove-fd fdset-id [fd]", "Closes one descriptor of a set, or all."),
      ("query-fdsets", "The sets, and the descriptors in each."),
      (
        "x-swiftvm-query-ports",
        "Each port, by device and number: who has it open, what it leads to, bytes in both directions,"
          + " dropped and discarded, clients that have come, wait and queue."
      ),
      (
        "x-swiftvm-wait-open port [timeout]",
        "Replies once the guest has the port of this id or name open, or after so many seconds with an"
          + " error."
      ),
      (
        "x-swiftvm-connect port",
        "Connects to a port whose backend listens, or is a pseudo-terminal, and passes the connection"
          + " to the client (SCM_RIGHTS)."
      ),
      (
        "x-swiftvm-plug option value directory",
        "Adds a port as an option of swiftvm run describes it. Relative paths start from the directory."
      ),
      (
        "x-swiftvm-ringbuf-wait device text [timeout]",
        "Replies once a ring buffer holds the text, or after so many seconds with an error."
      ),
    ]
  }

  private static let policyKeys = PolicyKey.all.map(\.name).joined(separator: " ")

  /// Events, the members of their data, and when they come.
  static let events: [(usage: String, meaning: String)] = [
    ("STOP", "The guest is paused."),
    ("RESUME", "The guest goes on."),
    ("RESET guest reason", "The guest boots anew. By the guest: at most once a second."),
    ("POWERDOWN", "The power button was pressed."),
    ("SHUTDOWN guest reason", "The machine ends; what the guest has sent is still passed on."),
    ("GUEST_PANICKED action", "pvpanic tells of a panic. At most once a second."),
    (
      "VSERPORT_CHANGE id open",
      "The guest has opened or closed a port that has an id. At most once a second of each port, and"
        + " 1000 a second of all."
    ),
    ("DEVICE_DELETED device path", "A port or device that was removed is gone."),
  ]
}
