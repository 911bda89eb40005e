import Testing

@testable import swiftvm_cli

/// What cannot be honoured is refused by name, with a remedy.
@Suite
struct QEMUWordErrorTests {
  @Test(arguments: [
    ("null", "chardev: no id specified; add id=ID"),
    ("nul,id=a", "'nul' is not a valid char driver name; did you mean null?"),
    (
      "spicevmc,id=a",
      "swiftvm has no chardev of the kind \"spicevmc\";"
        + " use a socket, which the viewer or a bridge connects to"
    ),
    (
      "vc,id=a", "swiftvm has no chardev of the kind \"vc\"; there is no display; use stdio or pty"
    ),
    (
      "socket,id=a",
      "chardev: socket: no address given; add path=PATH, or host=HOST,port=PORT, or fd=NUMBER"
    ),
    (
      "socket,id=a,path=/s,port=1", "\"path\" and \"port\" exclude each other; give one of them"
    ),
    (
      "socket,id=a,path=/s,server=on,reconnect=1",
      "'reconnect' option is incompatible with socket in server listen mode; leave it out"
    ),
    (
      "socket,id=a,path=/s,wait=off",
      "'wait' option is incompatible with socket in client connect mode;"
        + " leave it out, or add server=on"
    ),
    ("socket,id=a,path=/s,server=on,to=5", "\"to\" is for TCP; leave it out"),
    ("socket,id=a,port=1,to=5", "\"to\" is for listening sockets; leave it out, or add server=on"),
    (
      "socket,id=a,port=x,server=on",
      "the value of \"port\" is not a port's number; give port= from 0 to 65535"
    ),
    (
      "socket,id=a,path=/s,server=on,telnet=on",
      "\"telnet=on\" is not supported; put a relay such as socat before a plain socket"
    ),
    (
      "socket,id=a,path=/s,server=on,tls-creds=t",
      "\"tls-creds=t\" is not supported; put a relay such as socat before a plain socket"
    ),
    (
      "socket,id=a,path=/s,tight=off,abstract=on",
      "\"tight=off\" is not supported; give the name without padding"
    ),
    (
      "socket,id=a,port=1,mode=600,server=on",
      "\"mode\" is for listening Unix sockets with a path, and output files; leave it out"
    ),
    ("socket,id=a,path=/s,clients=queue", "\"clients\" is for listening sockets; leave it out"),
    ("socket,id=a,port=1,seqpacket=on", "\"seqpacket\" is for Unix sockets; leave it out"),
    ("socket,id=a,path=/s,nodelay=on", "\"nodelay\" is for TCP; leave it out"),
    (
      "socket,id=a,path=/s,server=on,mode=999",
      "the value of \"mode\" is not permissions in octal; give e.g. mode=660"
    ),
    (
      "socket,id=a,path=/s,server=on,allow-uid=0:x",
      "the value of \"allow-uid\" is not a list of numbers; give e.g. allow-uid=0:1000"
    ),
    (
      "socket,id=a,path=/s,server=on,allow-uid=-0",
      "the value of \"allow-uid\" is not a list of numbers; give e.g. allow-uid=0:1000"
    ),
    (
      "socket,id=a,path=/s,reconnect=99999999",
      "\"reconnect\" is too long; give at most 86400 seconds"
    ),
    (
      "socket,id=a,path=/s,reconnect=9223372036854775807",
      "\"reconnect\" is too long; give at most 86400 seconds"
    ),
    (
      "socket,id=a,path=/s,reconnect=1,reconnect-ms=1",
      "\"reconnect\" and \"reconnect-ms\" are the same; give one of them"
    ),
    (
      "socket,id=a,fd=5,server=on",
      "the start does not wait for clients of an inherited socket; add wait=off"
    ),
    (
      "socket,id=a,host=example.org,port=1,ipv4=on",
      "a host's family is told by its address; give host= as an address, without ipv4 and ipv6"
    ),
    (
      "socket,id=a,path=/s,foo=1",
      "unknown key \"foo\"; give -chardev socket,path=PATH,server=on,wait=off,id=ID"
    ),
    ("udp,id=a", "chardev: udp: remote port not specified; add port=PORT"),
    ("file,id=a", "chardev: file: no filename given; add path=PATH"),
    ("file,id=a,input-path=/i,append=on", "\"append\" is for output files; leave it out"),
    (
      "file,id=a,path=/f,rotate-count=2",
      "\"rotate-count\" is without \"rotate-size\"; give rotate-size=SIZE"
    ),
    ("pipe,id=a", "the key \"path\" is missing; give -chardev pipe,path=PATH,id=ID"),
    (
      "stdio,id=a,signal=on",
      "\"signal=on\" is not supported; end the machine with Ctrl-A x instead of Ctrl-C"
    ),
    (
      "ringbuf,id=a,size=x",
      "the value of \"size\" is not a size; give a number of bytes, or with K, M or G,"
        + " e.g. size=64K"
    ),
    ("exec,id=a", "the key \"command\" is missing; give -chardev exec,command=COMMAND,id=ID"),
    ("null,id=a,logappend=on", "\"logappend\" is without \"logfile\"; give logfile=PATH"),
    ("hub,id=a", "the hub has no chardevs; give chardevs.0=ID, chardevs.1=ID"),
    (
      "hub,id=a,chardevs.0=b",
      "Property 'hub.chardevs' can't find value 'b';"
        + " add -chardev BACKEND,id=b"
    ),
  ])
  func refusesChardevs(value: String, problem: String) {
    #expect(refusal(bytes(["run", "-chardev", value])) == "-chardev \(value): \(problem)")
  }

  @Test(arguments: [
    (
      "virtio-seral",
      "'virtio-seral' is not a valid device model name;"
        + " did you mean -device virtio-serial?"
    ),
    (
      "virtio-net-pci",
      "'virtio-net-pci' is not a valid device model name;"
        + " leave it out; swiftvm is for channels, without disks, networks or displays"
    ),
    ("pvpanic-pci", "'pvpanic-pci' is not a valid device model name; give -device pvpanic"),
    ("virtio-serial,bus=pci.2", "Bus 'pci.2' not found; give bus=pcie.0, or leave it out"),
    (
      "virtio-serial,addr=0x20",
      "Property 'addr' doesn't take value '0x20'; give addr= from 0x1 to 0x1f"
    ),
    (
      "virtio-serial,addr=5.1",
      "every device has a slot of its own, with one function; give another slot"
    ),
    (
      "virtio-serial,ioeventfd=off",
      "\"ioeventfd=off\" is not supported;"
        + " leave it out; notifications never stop a vCPU for a device"
    ),
    ("virtio-serial,iommu_platform=on", "\"iommu_platform=on\" is not supported; leave it out"),
    ("virtio-serial,max_port=3", "unknown key \"max_port\"; did you mean \"max_ports\"?"),
    (
      "virtio-serial-device,addr=5",
      "unknown key \"addr\"; give virtio-serial-device,id=ID"
    ),
    (
      "virtserialport,chardev=x",
      "Property 'virtserialport.chardev' can't find value 'x'; add -chardev BACKEND,id=x"
    ),
    (
      "virtconsole,chardev=x",
      "Property 'virtconsole.chardev' can't find value 'x'; add -chardev BACKEND,id=x"
    ),
    (
      "virtserialport,socket=/s", "unknown key \"socket\"; give virtserialport,name=NAME,chardev=ID"
    ),
    ("pvpanic,ioport=0x600", "\"ioport=0x600\" is not supported; leave it out; it is 0x505"),
    (
      "isa-debug-exit,iobase=x",
      "the value of \"iobase\" is not a port's number; give iobase= from 0 to 65535"
    ),
    (
      "{", "JSON parse error, expecting value; mend it, or give DRIVER,KEY=VALUE"
    ),
    (
      #"{"id":"a"}"#,
      "Parameter 'driver' is missing;"
        + #" give {"driver":"virtserialport","name":"NAME","chardev":"ID"}"#
    ),
    (
      #"{"driver":"virtserialport","nr":[1]}"#,
      #"the value of "nr" is not a property's;"#
        + #" give {"driver":"virtserialport","name":"NAME","chardev":"ID"}"#
    ),
    (
      #"{"driver":"virtserialport","a,b":1}"#,
      #"there is no key "a,b"; give {"driver":"virtserialport","name":"NAME","chardev":"ID"}"#
    ),
    (
      #"{"driver":"virtio-serial","max_port":3}"#,
      "unknown key \"max_port\"; did you mean \"max_ports\"?"
    ),
    (
      #"{"driver":"virtio-seral"}"#,
      "'virtio-seral' is not a valid device model name; did you mean -device virtio-serial?"
    ),
  ])
  func refusesDevices(value: String, problem: String) {
    #expect(refusal(bytes(["run", "-device", value])) == "-device \(value): \(problem)")
  }

  @Test func givesAChardevToOneOnly() {
    let words = ["-chardev", "null,id=a", "-device", "virtserialport,chardev=a", "-device"]
    #expect(
      refusal(bytes(["run"] + words + ["virtserialport,chardev=a"]))
        == "-device virtserialport,chardev=a: Property 'virtserialport.chardev' can't take value"
        + " 'a': Device 'a' is in use; add mux=on to that -chardev, or give every port one of its"
        + " own")
    #expect(
      refusal(bytes(["run", "-chardev", "null,id=a", "-chardev", "null,id=a"]))
        == "-chardev id=a: Duplicate ID 'a' for chardev; give another id")
  }

  @Test(arguments: [
    (["-drive", "file=x"], "-drive"), (["-netdev", "user"], "-netdev"), (["-uuid", "x"], "-uuid"),
    (["-no-acpi"], "-no-acpi"), (["--cdrom", "x"], "--cdrom"), (["-gdb", "tcp::1"], "-gdb"),
    (["-object", "x"], "-object"), (["-echr", "2"], "-echr"), (["-dfilter", "x"], "-dfilter"),
    (["-seed", "1"], "-seed"), (["-semihosting-config", "x"], "-semihosting-config"),
  ])
  func namesWhatItDoesNotHave(words: [String], option: String) {
    let line = refusal(bytes(["run"] + words))
    #expect(
      line?.hasPrefix("\(option): swiftvm does not have this option of QEMU's; ") == true,
      "\(line ?? "none")")
  }

  @Test(arguments: [
    (
      ["-monitor", "stdio"],
      "-monitor stdio: this is not supported;"
        + " give --qmp PATH; there is no human monitor (HMP)"
    ),
    (["-accel", "tcg"], "-accel tcg: this is not supported; leave it out; KVM is what there is"),
    (
      ["-M", "none"],
      "-M none: swiftvm has one machine, for which q35, pc and microvm may stand;"
        + " leave -M out"
    ),
    (["-machine", "q35,usb=on"], "-machine q35,usb=on: \"usb=on\" is not supported; leave it out"),
    (["-cpu", "qemu64"], "-cpu qemu64: this is not supported; give -cpu host, or leave it out"),
    (
      ["-net", "user"],
      "-net user: this is not supported; there is no network; give the guest a channel"
        + " (--virtserialport name=NAME,socket=PATH)"
    ),
    (["-parallel", "null"], "-parallel null: this is not supported; leave it out"),
    (
      ["-trace", "enable=x"],
      "-trace enable=x: this option takes no value; give -trace alone"
    ),
    (["-vga", "std"], "-vga std: this is not supported; give -vga none; there is no display"),
    (["-m", "1G,maxmem=2G"], "-m 1G,maxmem=2G: \"maxmem=2G\" is not supported; leave it out"),
    (["-smp", "2,maxcpus=4"], "-smp 2,maxcpus=4: CPUs cannot be added later; leave maxcpus out"),
    (
      ["-smp", "2,threads=2"],
      "-smp 2,threads=2: every CPU is a core of its own; leave threads and dies out"
    ),
    (
      ["-smp", "3,sockets=2,cores=2"],
      "-smp 3,sockets=2,cores=2: product of the hierarchy must match maxcpus;"
        + " give sockets and cores that come to 3"
    ),
    (
      ["-name", "x,process=y"],
      "-name x,process=y: \"process=y\" is not supported;"
        + " leave it out; exec -a gives a process another name"
    ),
    (["-mon", "chardev=m"], "-mon chardev=m: there is no human monitor; add mode=control for QMP"),
    (
      ["-qmp", "stdio"],
      "-qmp stdio: QMP is spoken on a socket; give a path, or unix:PATH,server=on,wait=off"
    ),
    (
      ["-action", "panic=run"],
      "-action panic=run: \"panic\" cannot be \"run\";"
        + " give panic=none or panic=pause or panic=shutdown or panic=exit-failure"
    ),
    (
      ["-daemonize", "-serial", "stdio"],
      "--daemonize: a daemon has no standard input and output, which a port or the serial console"
        + " has; give e.g. --serial none, --serial pty or --serial file=PATH"
    ),
    (
      ["--preset", "agnt"],
      "--preset agnt: \"preset\" cannot be \"agnt\";"
        + " did you mean preset=agent?"
    ),
    (
      ["--preset", "socket=/s"],
      "--preset socket=/s: the preset's name is missing;"
        + " give agent, spice, guestfs or anaconda-log"
    ),
  ])
  func refusesWhatIsNotSo(words: [String], line: String) {
    #expect(refusal(bytes(["run"] + words)) == line)
  }
}
