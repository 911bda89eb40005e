import SwiftVM
import TestSupport
import Testing

@testable import swiftvm_cli

/// QEMU's words, and that they build what the short forms build.
@Suite
struct QEMUWordsTests {
  private func request(_ words: [String]) throws -> RunRequest {
    guard case .run(let request) = try CommandParser.parse(bytes(["run"] + words)) else {
      throw NotARun()
    }
    return request
  }

  private struct NotARun: Error {}

  /// The devices of the configuration that the words build.
  private func devices(_ words: [String]) throws -> [VirtioConsoleDeviceConfiguration] {
    let directory = try TemporaryDirectory()
    let image = GuestImage(
      kernelPath: try directory.makeFile("kernel"),
      initialRamdiskPath: try directory.makeFile("initrd"))
    let words = words.map { $0.replacing("DIR", with: directory.path) }
    return try request(words).configuration { image }.consoleDevices.map { device in
      var device = device
      for index in device.ports.indices {
        device.ports[index].attachment = device.ports[index].attachment.relative(to: directory)
      }
      return device
    }
  }

  @Test("QEMU's usual commands run unchanged, and build what the short form builds")
  func takesTheUsualCommands() throws {
    let usual = [
      "-chardev", "socket,path=DIR/port0,server,nowait,id=port0-char", "-device", "virtio-serial",
      "-device", "virtserialport,id=port1,name=org.fedoraproject.port.0,chardev=port0-char",
    ]
    let short = [
      "--virtserialport",
      "name=org.fedoraproject.port.0,socket=DIR/port0,id=port1,chardev-id=port0-char",
    ]
    let expected = VirtioConsoleDeviceConfiguration(ports: [
      VirtioConsolePortConfiguration(
        id: "port1", name: "org.fedoraproject.port.0",
        attachment: ChardevConfiguration(
          id: "port0-char", .socket(SocketConfiguration(.unix(path: "DIR/port0")))))
    ])
    try #expect(devices(usual) == [expected])
    try #expect(devices(short) == [expected])
    try #expect(devices(usual.map { $0.hasPrefix("-") ? "-" + $0 : $0 }) == [expected])
  }

  @Test("What libvirt gives for a channel and a console")
  func takesLibvirtsWords() throws {
    let found = try devices([
      "-device", "virtio-serial-pci,id=virtio-serial0,max_ports=16,vectors=4,bus=pci.0,addr=0x5",
      "-chardev", "socket,id=charchannel0,path=DIR/agent,server=on,wait=off", "-device",
      "virtserialport,bus=virtio-serial0.0,nr=1,chardev=charchannel0,id=channel0,"
        + "name=org.qemu.guest_agent.0",
      "-chardev", "pty,id=charconsole0", "-device",
      "virtconsole,chardev=charconsole0,id=console0",
    ])
    let ports = [
      VirtioConsolePortConfiguration(
        id: "channel0", number: 1, name: "org.qemu.guest_agent.0",
        attachment: ChardevConfiguration(
          id: "charchannel0", .socket(SocketConfiguration(.unix(path: "DIR/agent"))))),
      VirtioConsolePortConfiguration(
        id: "console0", name: nil, isConsole: true,
        attachment: ChardevConfiguration(id: "charconsole0", .pseudoTerminal(link: nil))),
    ]
    let expected = [
      VirtioConsoleDeviceConfiguration(
        id: "virtio-serial0", ports: ports, maximumPortCount: 16, vectorCount: 4, slot: 5)
    ]
    #expect(found == expected)
    let inJSON = try devices([
      "-device",
      #"{"driver":"virtio-serial-pci","id":"virtio-serial0","max_ports":16,"vectors":4,"#
        + #""bus":"pci.0","addr":"0x5","ioeventfd":true}"#,
      "-chardev", "socket,id=charchannel0,path=DIR/agent,server=on,wait=off", "-device",
      #"{"driver":"virtserialport","bus":"virtio-serial0.0","nr":1,"chardev":"charchannel0","#
        + #""id":"channel0","name":"org.qemu.guest_agent.0"}"#,
      "-chardev", "pty,id=charconsole0", "-device",
      #"{"driver":"virtconsole","chardev":"charconsole0","id":"console0"}"#,
    ])
    #expect(inJSON == expected)
  }

  @Test("In JSON a comma is only a comma")
  func takesCommasInJSON() throws {
    let found = try devices(["-device", #"{"name":"a,b,,c,\u0301","driver":"virtserialport"}"#])
    #expect(found.first?.ports.map(\.name) == ["a,b,,c,\u{301}"])
  }

  /// Pairs of a `-chardev` without its id and the keys of `--virtserialport` that mean the same.
  private static let pairs = [
    ("socket,path=/s,server=on,wait=off", "socket=/s"),
    ("socket,path=/s,server", "socket=/s,wait"),
    ("socket,path=/s,server=on,wait=on", "socket=/s,wait=on"),
    ("socket,path=/s", "connect=/s"),
    ("socket,path=/s,reconnect=2", "connect=/s,reconnect-ms=2000"),
    ("socket,path=/s,reconnect=0", "connect=/s"),
    ("socket,path=s,abstract=on,server=on,wait=off", "abstract=s"),
    ("socket,path=s,abstract,tight=on", "connect-abstract=s"),
    ("socket,host=localhost,port=80,server=on,wait=off", "tcp=80"),
    ("socket,port=80,to=90,server=on,wait=off,nodelay", "tcp=localhost:80-90"),
    ("socket,port=80,ipv6=on,server,nowait", "tcp=[::1]:80"),
    ("socket,port=80,ipv6=off,server,nowait", "tcp=127.0.0.1:80"),
    (
      "socket,host=0.0.0.0,port=80,server,nowait,expose=on",
      "tcp=0.0.0.0:80,expose"
    ),
    ("socket,host=h,port=80,reconnect=5,nodelay=off", "tcp-connect=h:80,reconnect=5,nodelay=off"),
    ("socket,port=80,server,nowait,expose=on", "tcp=80,expose"),
    ("socket,port=80,server,nowait,expose,ipv6", "tcp=[::]:80,expose"),
    ("socket,fd=5", "fd=5"),
    ("socket,host=h,port=80,keepalive=9", "tcp-connect=h:80,keepalive=9"),
    ("socket,host=h,port=80,keep-alive=on", "tcp-connect=h:80"),
    ("socket,path=/s,server,nowait,replay=64K", "socket=/s,replay=65536"),
    ("socket,fd=name,server=on,wait=off", "fd=name"),
    ("udp,port=9", "udp=9"),
    ("udp,host=h,port=9,localaddr=127.0.0.1,localport=10", "udp=h:9@127.0.0.1:10"),
    ("file,path=/f", "file=/f"),
    ("file,path=/f,append=on", "file=/f,append"),
    ("file,path=/f,input-path=/i", "file=/f,input=/i"),
    ("file,input-path=/i", "input=/i"),
    ("file,path=/f,rotate-size=1M,rotate-count=3", "file=/f,rotate-size=1M,rotate-count=3"),
    ("file,path=/f,mode=640", "file=/f,mode=640"),
    ("pipe,path=/p", "pipe=/p"),
    ("pty", "pty"),
    ("pty,path=/l", "pty=/l"),
    ("stdio,signal=off", "stdio"),
    ("stderr", "stderr"),
    ("socket,fd=2", "stderr"),
    ("ringbuf", "ringbuf"),
    ("memory,size=65536", "ringbuf=64K"),
    ("null", "null"),
    ("exec,command=cat -n", "exec=cat -n"),
    ("backend=null,logfile=/l", "null,log=/l"),
    ("null,logfile=/l,logappend=on,log-annotate=on", "null,log=/l,log-append,log-annotate"),
    ("stdio,mux=on", "stdio,mux"),
    (
      "socket,path=/s,server,nowait,mode=660,owner=root,group=0,clients=queue,seqpacket=on,"
        + "allow-uid=0:1000,allow-gid=100",
      "socket=/s,mode=660,owner=root,group=0,clients=queue,seqpacket,allow-uid=0:1000,"
        + "allow-gid=100"
    ),
    ("file,path=/a,,b", "file=/a,,b"),
  ]

  @Test("Every backend: -chardev and the short forms build the same value", arguments: pairs)
  func buildsTheSame(chardev: String, short: String) throws {
    let words = ["-chardev", chardev + ",id=c", "-device"]
    let channel = try request(words + ["virtserialport,name=n,chardev=c"])
    try #expect(channel == request(["--virtserialport", "name=n,chardev-id=c," + short]))
    let console = try request(words + ["virtconsole,chardev=c"])
    try #expect(console == request(["--virtconsole", "chardev-id=c," + short]))
    let serial = try request(["-chardev", chardev + ",id=c", "-serial", "chardev:c"])
    try #expect(serial == request(["--serial", short + ",chardev-id=c"]))
    #expect(channel.machine.characterDevices.isEmpty)
  }

  @Test func joinsSeveralHostEnds() throws {
    let several = ChardevConfiguration(
      .several([.unixSocketServer(path: "/s"), .file(path: "/f")]))
    let ports = try request(["--virtserialport", "name=n,file=/f,socket=/s,clients=broadcast"])
      .ports
    var socket = SocketConfiguration(.unix(path: "/s"))
    socket.clients = .broadcast
    let expected = [ChardevConfiguration(.socket(socket)), .file(path: "/f")]
    #expect(ports.map(\.configuration.attachment) == [ChardevConfiguration(.several(expected))])
    let hub = try request([
      "-chardev", "socket,path=/s,server,nowait,id=a", "-chardev", "file,path=/f,id=b", "-chardev",
      "hub,chardevs.0=a,chardevs.1=b,id=h", "-device", "virtserialport,name=n,chardev=h",
    ])
    var named = several
    named.id = "h"
    guard case .several(var members) = named.backend else { throw NotARun() }
    (members[0].id, members[1].id) = ("a", "b")
    named.backend = .several(members)
    #expect(hub.ports.map(\.configuration.attachment) == [named])
    #expect(hub.machine.characterDevices.isEmpty)
  }

  @Test func keepsWhatNoPortNamesYet() throws {
    let request = try request([
      "-chardev", "null,id=b", "-device", "virtserialport,name=n,chardev=a", "-chardev",
      "null,id=a", "-chardev", "null,id=c",
    ])
    #expect(request.machine.characterDevices.map(\.id) == ["b", "c"])
    #expect(request.ports.map(\.configuration.attachment.id) == ["a"])
  }

  @Test func sharesAMultiplexedHostEnd() throws {
    let request = try request([
      "-chardev", "stdio,mux=on,id=m", "-serial", "chardev:m", "-device", "virtconsole,chardev=m",
      "--virtconsole", "chardev=m",
    ])
    let shared = ChardevConfiguration(id: "m", .standardIO, isMultiplexed: true)
    #expect(request.serial == shared)
    #expect(request.ports.map(\.configuration.attachment) == [shared, shared])
  }

  @Test(
    arguments: [
      ("virtio-serial", .pci(.modern)), ("virtio-serial-pci", .pci(.modern)),
      ("virtio-serial-pci,disable-legacy=auto", .pci(.modern)),
      ("virtio-serial-pci,disable-legacy=off", .pci(.transitional)),
      ("virtio-serial-pci-transitional", .pci(.transitional)),
      ("virtio-serial-pci-non-transitional", .pci(.modern)),
      ("virtio-serial-pci,disable-modern=on", .pci(.legacy)),
      ("virtio-serial-device", .mmio),
    ] as [(String, VirtioConsoleTransport)])
  func takesTransports(value: String, transport: VirtioConsoleTransport) throws {
    try #expect(
      request(["-device", value]).devices.map(\.configuration.transport) == [transport])
  }

  @Test(arguments: [
    ("addr=5", "addr=0x5"), ("addr=0x1f", "addr=1f.0"), ("max_ports=4", "max-ports=4"),
    ("vectors=0", "vectors=0"), ("packed=on", "packed=on"), ("event_idx=off", "event-idx=off"),
    ("indirect_desc=off", "indirect-desc=off"), ("queue_reset=off", "queue-reset=off"),
    ("disable-modern=on", "disable-modern=on"), ("id=vs0", "id=vs0"),
  ])
  func buildsTheSameDevice(qemu: String, short: String) throws {
    try #expect(
      request(["-device", "virtio-serial," + qemu]) == request(["--virtio-serial", short]))
  }

  @Test func takesWhatIsSoAnyway() throws {
    let words = [
      "-enable-kvm", "-nographic", "-no-user-config", "-M", "q35,accel=kvm,usb=off", "-machine",
      "pc-i440fx-7.2", "-accel", "kvm", "-cpu", "host", "-display", "none", "-vga", "none",
      "-monitor", "none", "-net", "none", "-nic", "none", "-parallel", "none", "-vnc", "none",
      "-audio", "none", "-rtc", "base=utc", "-overcommit", "mem-lock=off", "-boot", "strict=on",
      "--device",
      "virtio-serial-pci,ioeventfd=on,bus=pcie.0,iommu_platform=off,ats=off,multifunction=off",
    ]
    var expected = RunRequest()
    expected.devices = [
      RunRequest.Device(configuration: VirtioConsoleDeviceConfiguration(ports: []))
    ]
    try #expect(request(words) == expected)
  }

  @Test(arguments: [
    ("agent", "org.qemu.guest_agent.0"), ("spice", "com.redhat.spice.0"),
    ("guestfs", "org.libguestfs.channel.0"), ("anaconda-log", "org.fedoraproject.anaconda.log.0"),
  ])
  func knowsPresets(preset: String, name: String) throws {
    let byItself = try request(["--preset", preset]).ports.map(\.configuration)
    let end: ChardevConfiguration =
      preset == "anaconda-log" ? .file(path: name) : .unixSocketServer(path: name)
    #expect(byItself.map(\.name) == [name])
    #expect(byItself.map(\.attachment) == [end])
    let keys =
      switch preset {
      case "agent": ",early=drop,on-host-close=discard,drain=500"
      case "anaconda-log": ""
      default: ",early=drop,on-host-close=discard"
      }
    try #expect(
      request(["--preset", preset + ",socket=/s,id=a"])
        == request(["--virtserialport", "name=\(name),socket=/s,id=a" + keys]))
  }

  @Test("A key beside a preset changes what the preset sets, and what cannot be with it")
  func keysChangePresets() throws {
    try #expect(
      request(["--preset", "agent,socket=/s,early=hold,on-host-close=keep"])
        == request(["--virtserialport", "name=org.qemu.guest_agent.0,socket=/s"]))
    try #expect(
      request(["--preset", "spice,socket=/s,drain=1"])
        == request(["--preset", "spice,socket=/s,drain=1,on-host-close=discard"]))
  }
}

extension ChardevConfiguration {
  /// The same with DIR for the directory in a socket's path.
  fileprivate func relative(to directory: TemporaryDirectory) -> ChardevConfiguration {
    guard case .socket(var socket) = backend, case .unix(let path) = socket.address else {
      return self
    }
    socket.address = .unix(path: path.replacing(directory.path, with: "DIR"))
    var result = self
    result.backend = .socket(socket)
    return result
  }
}
