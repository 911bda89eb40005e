import SwiftVM

/// The manual's chapters that no table of the parser gives: what keys mean, how channels, control and
/// statistics work, who may do what.
///
/// Written as the page shows them: a heading; indented by two, paragraphs; a line with lines indented by
/// six below it, a term and its explanation; indented by six throughout, what is printed as it is.
enum ManualText {
  /// What `--preset` knows.
  static let presets = """
    PRESETS
      The channels of well-known programs. All but anaconda-log have early=drop and
      on-host-close=discard, so that the guest answers the client that is there, and none before it.
      Without a backend, a socket (for anaconda-log a file) of the channel's name is made in the current
      directory.

      agent
          org.qemu.guest_agent.0, of qemu-guest-agent; with drain=500.

      spice
          com.redhat.spice.0, of spice-vdagentd.

      guestfs
          org.libguestfs.channel.0, of guestfsd.

      anaconda-log
          org.fedoraproject.anaconda.log.0, of Fedora's installer.
    """

  /// What becomes of bytes and clients.
  static let channels = """
    CHANNELS
      One client at a time. A further one is refused at once, and the log counts it. One that waits for
      its turn (clients=queue) is told nothing, since a stream of the guest's bytes has no word for it;
      the log and x-swiftvm-query-ports say how many wait.

      Only a living client excludes another. The bytes of clients that have left are given to the guest
      in the order in which these came, then the next client is there. swiftvm keeps two of them, the
      socket's backlog up to 128 more, each with what its socket holds (some 200 KiB). The client after
      those waits in connect(2).

      The guest sees clients come and go: without one, poll(2) shows HUP, and writers wait. It may take
      two clients that follow each other quickly for one, and join half a frame of the first with the
      second's; with gap= it has time to notice.

      Nothing is lost in silence. What a guest has written was taken by the backend (to host), dropped
      (by a console whose client is too slow, or as the disk is full or the reader gone) or discarded
      (since no client was connected): the sums fit, for --serial as well. A client that does not read
      holds back that port's writer in the guest, and nothing else. When the guest ends, a client that is
      still reading gets the rest: the end waits for it as long as it takes something every ten seconds
      (--linger).

      Two things no monitor can give back: bytes in the socket of a client that closes without reading
      them, and bytes already in the guest's buffers when the guest closes the port (Linux discards
      them).

      Control messages are never dropped, however many ports there are: each port's state is kept until
      the guest has a buffer for it.

    CONSOLES
      A serial console or virtconsole on stdio takes the keys above; only one of them can have it. The
      first virtconsole on stdio becomes the kernel's console: console=hvc0, or hvc1 where another comes
      before it, by device and number. With -nodefaults and with --daemonize the serial console has no
      backend unless one is given. --serial output that its reader does not take is buffered up to 1 MiB,
      then dropped and counted, unless overflow=wait is given. What it prints while no client is
      connected is discarded and counted, unless replay= keeps it (up to 16M).
    """

  /// Files and QEMU's words.
  static let words = """
    FILES THAT ARE WRITTEN
      A file that is written (also log= and --pidfile) is opened by its own name: a symbolic link is not
      followed, but in /dev and /proc. A regular file is used only if it belongs to this user or root and
      has no other name; it is checked before a byte is changed. On the way to it, another user's link is
      followed only to that user's directories. So other users of a directory such as /tmp cannot lead
      the machine to a file of root's. New files have mode 0600, rotated ones that of the file before. A
      file that is emptied or rotated has one writer; with append several machines may add to it. The
      file of --pidfile is locked (fcntl(2)) while the machine runs, and then removed.

    QEMU'S WORDS
      Options that are QEMU's mean what they mean there, with one dash or two. -chardev describes the
      backends above in QEMU's words, -device virtserialport,chardev=ID the same ports. There the keys
      above have the same names, but for logfile=, logappend= and input-path=, and as in QEMU server=on
      waits for a client unless wait=off. What swiftvm cannot honour it refuses by name, and says what to
      do instead; nothing is ignored.

      -serial also takes mon:stdio, null, pty, file:, pipe:, unix:, tcp:, udp: and chardev:. -qmp and
      -mon take listening sockets that nothing waits for, and inherited ones (fd=); TCP and abstract
      names with insecure=on. -chardev memory is ringbuf.
    """

  /// How a client speaks to a machine.
  static let control = """
    CONTROL
      A machine with a --name has a control socket in the user's runtime directory, by which the commands
      above find it. One with --qmp PATH is found by --control PATH. Both speak QMP, QEMU's protocol: JSON
      objects in UTF-8, with up to 16 clients at once.

      A client first says {"execute":"qmp_capabilities"}. What it may cost is bounded: a message of
      1 MiB, 1 MiB that it has not read, 256 KiB for one ringbuf-read (the next goes on), 256 bytes of
      ASCII for a name, 4096 bytes for a path, 64 descriptors that it leaves.
    """

  /// What the machine tells of itself.
  static let reports = """
    STATISTICS
      --stats and SIGUSR1 print these lines on standard error. Queues that were not used have none.

      stats:
          For each port: who has it open (under host, behind is a client the guest waits for now), bytes
          to the host and to the guest, dropped and discarded, how often the guest had to wait for its
          client, and how many clients have come.

      serial:
          The same of the serial console and of an --emergency output with a backend of its own.

      queues:
          For each queue: buffers, bytes, notifications, interrupts, and how often the driver broke a
          rule.

      devices:
          Where a driver broke a rule, said what means nothing or wrote to ports that are not there, or
          where ports were removed: how often, and what was lost with them.

      --trace prints a line for each control message and change of state as it happens:

          trace:      230.106 ms  vs0  to guest: port 1: PORT_NAME 1 'org.example.agent'
          trace:      236.597 ms  vs0  state: port 1: guest opened it

    THE GUEST'S END
      A guest powers off by ACPI. A kernel with acpi=off, or built without ACPI, halts instead, which
      --no-reboot tells by status 8. A reset works in every way Linux knows (reboot=a, k, t, p, b, e). Three
      triple faults in a row, each within ten seconds of a boot, end the machine with status 4.

      Panics and oopses are read from the serial console and virtconsoles as their output passes, in the
      guest's present life alone, and need no driver; -device pvpanic tells of panics, too. Whether CPUs
      have halted is looked at once when the guest has been silent for a second; with --no-reboot again
      and again, ever more rarely, down to once a minute. A guest that sleeps costs no wake-up otherwise.

      SIGINT, SIGTERM and SIGHUP end the machine within a second, even if the host holds swiftvm up. One
      that was ignored at the start, as by nohup(1), stays ignored. A kernel or initrd that is changed in
      place while the machine runs ends it at the guest's next reset, with status 1. Put the new file in
      the place of the old one (mv, install), and the guest boots the old one until the machine ends.
    """

  static let surroundings = """
    ENVIRONMENT

      \(GuestImage.environmentVariable)
          The directory of the guest image (vmlinux and initramfs.cpio) that is booted without --kernel.

      XDG_RUNTIME_DIR
          The user's directory for sockets, where those of machines with a --name are.

      LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES
          systemd's socket activation, of which fd=NAME takes a descriptor.

    FILES

      $XDG_RUNTIME_DIR/swiftvm/NAME.sock
          The control socket of the machine called NAME. Where the variable is not set, it is
          /run/user/UID/swiftvm/NAME.sock, or without such a directory /tmp/swiftvm-UID/NAME.sock.

      ../share/swiftvm
          The guest image of an installation, seen from the program's directory.
    """

  /// What keeps a machine its user's.
  static let security = """
    SECURITY
      A control socket is as good as a login:

      Its file has mode 0600, and it serves clients of swiftvm's own user, and those of allow-uid= and
      allow-gid= (with mode= and group= so that they get to the file); an inherited one also the user who
      made it.

      Clients may have paths, addresses and programs of the host opened (chardev-add, x-swiftvm-plug)
      where the socket has host=on, the default for a --name's and for paths. With host=off they have
      memory and what they pass along.

      TCP and abstract names need insecure=on, and standard error repeats it. There is no host=on on TCP.

      A connection ends at the first byte that cannot begin a JSON object, and at any error before
      qmp_capabilities: a browser that a web page has send a request to the port controls nothing.

      The last holds for QMP alone. A port's tcp= passes on what any program on the host sends, and a web
      page can send requests to loopback ports: a guest agent behind one may take a line of such a
      request for a command. Use socket= for agents.

      Whatever a guest or a client does wrong is that guest's or client's problem: a broken ring stops
      its device until the driver resets it, and one turn of the I/O thread gives all ports together a
      millisecond or so before control clients, signals and timers have theirs.
    """

  /// What is not to be expected.
  static let limits = """
    LIMITS
      x86_64 hosts with KVM. No disk, no network, no display, no snapshots, no firmware.

      A pseudo-terminal whose window is resized by a program that neither reads nor writes it is noticed
      at its next input: Linux sends no signal for it.

      Names of TCP peers are looked up when a backend is opened. For one that QMP adds, this holds up the
      machine's other backends; give an address. A peer that it connects to has 0.1 s to answer, unless
      reconnect= is given, and a lock on a socket's directory is waited for as long.

      Before Linux 6.16, a client of a port's Unix socket that passes along a descriptor which takes its
      time to close (a TCP socket with SO_LINGER) holds the machine up for that time: say who may connect
      (mode=, allow-uid=).

      Where guest, clients and swiftvm share one processor, each small write of the guest's wakes the I/O
      thread by itself.

      What standard error does not take is lost: at once while the guest runs, after a second at the end.

      How slowly a client of a socket reads, the host tells in steps of up to 32 KiB: one that takes
      longer than ten seconds for such a step counts as one that does not read at the end. The reader of
      a pipe or terminal may be as slow as it likes.
    """

  /// QMP's events, the members of their data, and when they come.
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

  static let examples = """
    EXAMPLES
      Boot the guest image with a channel:

          \(HelpText.example)

      Boot a test kernel, and end with a status when it resets or powers off:

          swiftvm run --no-reboot --kernel bzImage --initrd initrd --serial file=log

      Run a machine in the background, and talk to its guest agent:

          swiftvm run --name vm1 --daemonize --preset agent,socket=/tmp/qga --kernel bzImage

      Wait for a program in the guest, and read one line of it:

          swiftvm wait-open PORT --timeout 30 && swiftvm recv PORT --lines 1

      The same channel in QEMU's words:

          swiftvm run -device virtio-serial -chardev socket,path=/tmp/port0,server=on,wait=off,id=c \
    -device virtserialport,chardev=c,name=org.fedoraproject.port.0
    """
}
