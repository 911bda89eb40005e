import SwiftVM
import TestSupport
import Testing

@testable import swiftvm_cli

@Suite
struct RunOptionErrorTests {
  @Test(
    "A key that would take half a minute to compare is unknown at once",
    arguments: ["name=a,@=x,socket=s", "name=a,@,socket=s", "@", "@=x"])
  func comparesNoLongKeys(value: String) throws {
    let marks = Array(String(repeating: "\u{315}\u{316}", count: 100_000).utf8)
    let parts = value.utf8.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
    let text = String(decoding: Array(parts.joined(separator: marks)), as: UTF8.self)
    let start = monotonicSeconds()
    #expect(throws: UsageError.self) {
      try PortKeys.port(option: "--virtserialport", text)
    }
    #expect(monotonicSeconds() - start < 5)
  }

  @Test(arguments: [
    (["x"], "x: unexpected argument; see swiftvm run --help"),
    ([""], "unexpected argument; see swiftvm run --help"),
    (["--"], "--: unknown option; see swiftvm run --help"),
    (["--kernal", "x"], "--kernal: unknown option; did you mean --kernel?"),
    (["--kernal=x"], "--kernal: unknown option; did you mean --kernel?"),
    (["---kernel", "x"], "---kernel: unknown option; did you mean --kernel?"),
    (["--frobnicate"], "--frobnicate: unknown option; see swiftvm run --help"),
    (["-m"], "-m: the value is missing; give -m SIZE"),
    (["-kernel", "-m", "1G"], "-kernel: the value is missing; give -kernel PATH"),
    (["-m", "1G", "--memory", "2G"], "--memory 2G: this option is given twice; give it once"),
    (["--kernel"], "--kernel: the value is missing; give --kernel PATH"),
    (["--kernel", "--memory", "1G"], "--kernel: the value is missing; give --kernel PATH"),
    (["--kernel", "--memory=1G"], "--kernel: the value is missing; give --kernel PATH"),
    (["--kernel", ""], "--kernel: the value is empty; give --kernel PATH"),
    (["--kernel="], "--kernel: the value is empty; give --kernel PATH"),
    (["--initrd="], "--initrd: the value is empty; give --initrd PATH"),
    (["--memory="], "--memory: the value is empty; give --memory SIZE"),
    (["--cpus="], "--cpus: the value is empty; give --cpus COUNT"),
    (
      ["--serial="],
      "--serial: the value is empty; give --serial stdio|none|file=PATH|KEY=VALUE,..."
    ),
    (["--kernel", "a", "--kernel", "b"], "--kernel b: this option is given twice; give it once"),
    (["--append", "", "--append="], "--append: this option is given twice; give it once"),
    (["--timings", "--timings"], "--timings: this option is given twice; give it once"),
    (["--timings=1"], "--timings 1: this option takes no value; give --timings alone"),
    (["--no-reboot="], "--no-reboot: this option takes no value; give --no-reboot alone"),
  ])
  func refusesWords(words: [String], line: String) {
    #expect(refusal(bytes(["run"] + words)) == line)
  }

  @Test(arguments: [
    ("x", "this is not a size; give a number with K, M or G, e.g. --memory 512M"),
    ("-1", "this is not a size; give a number with K, M or G, e.g. --memory 512M"),
    ("1.5G", "this is not a size; give a number with K, M or G, e.g. --memory 512M"),
    ("99999999999999999999", "no machine has so much memory; give e.g. --memory 512M"),
  ])
  func refusesMemory(value: String, problem: String) {
    #expect(refusal(bytes(["run", "--memory", value])) == "--memory \(value): \(problem)")
    #expect(
      refusal(bytes(["run", "-m", value]))
        == "-m \(value): \(problem)".replacing("--memory", with: "-m"))
  }

  @Test(arguments: [
    ("x", "this is not a whole number; give e.g. --cpus 2"),
    ("-1", "this is not a whole number; give e.g. --cpus 2"),
    ("+1", "this is not a whole number; give e.g. --cpus 2"),
    ("1.5", "this is not a whole number; give e.g. --cpus 2"),
    ("99999999999999999999", "no machine has so many CPUs; give e.g. --cpus 2"),
  ])
  func refusesCPUs(value: String, problem: String) {
    #expect(refusal(bytes(["run", "--cpus", value])) == "--cpus \(value): \(problem)")
  }

  @Test(arguments: [
    ("name=n", "the backend is missing; add e.g. socket=PATH"),
    ("socket=/s", "the key \"name\" is missing; give name=NAME,socket=PATH"),
    ("n", "\"n\" is not key=value; give name=NAME,socket=PATH"),
    ("name=,socket=/s", "the value of \"name\" is empty; give name=NAME,socket=PATH"),
    ("name=n,socket=", "the value of \"socket\" is empty; give name=NAME,socket=PATH"),
    ("name=n,socket=/s,", "a key is missing before or after a comma; give name=NAME,socket=PATH"),
    (",name=n,socket=/s", "a key is missing before or after a comma; give name=NAME,socket=PATH"),
    ("name=n,name=m,socket=/s", "the key \"name\" is given twice; give it once"),
    ("nmae=n,socket=/s", "unknown key \"nmae\"; did you mean \"name\"?"),
    ("name=n,sock=/s", "unknown key \"sock\"; did you mean \"socket\"?"),
    (
      "name=n,chardev=c",
      "Property 'virtserialport.chardev' can't find value 'c'; add -chardev BACKEND,id=c"
    ),
    ("=n,socket=/s", "unknown key \"\"; give name=NAME,socket=PATH"),
  ])
  func refusesPorts(value: String, problem: String) {
    #expect(
      refusal(bytes(["run", "--virtserialport", value])) == "--virtserialport \(value): \(problem)")
  }

  @Test(arguments: [
    ("name=n,socket=/s,nr=x", "the value of \"nr\" is not a whole number; give e.g. nr=1"),
    ("name=n,socket=/s,nr=-1", "the value of \"nr\" is not a whole number; give e.g. nr=1"),
    (
      "name=n,socket=/s,nr=99999999999999999999",
      "the value of \"nr\" is not a whole number; give e.g. nr=1"
    ),
    ("name=n,socket=/s,bus=", "the value of \"bus\" is empty; give name=NAME,socket=PATH"),
    (
      "name=n,socket=/s,on-host-close=kepe",
      "\"on-host-close\" cannot be \"kepe\"; did you mean on-host-close=keep?"
    ),
    (
      "name=n,socket=/s,early=never",
      "\"early\" cannot be \"never\"; give early=hold or early=drop"
    ),
    (
      "name=n,socket=/s,on-guest-close=x",
      "\"on-guest-close\" cannot be \"x\";"
        + " give on-guest-close=keep or on-guest-close=shutdown or on-guest-close=close"
    ),
    (
      "name=n,socket=/s,overflow=drop-oldest",
      "unknown key \"overflow\"; give name=NAME,socket=PATH"
    ),
    (
      "name=n,socket=/s,onhost-close=keep",
      "unknown key \"onhost-close\"; did you mean \"on-host-close\"?"
    ),
    ("name=n,socket=/s,gap=-1", "the value of \"gap\" is not a whole number; give e.g. gap=1"),
    ("name=n,socket=/s,studio", "\"studio\" is not key=value; give name=NAME,socket=PATH"),
  ])
  func refusesKeysOfPorts(value: String, problem: String) {
    #expect(
      refusal(bytes(["run", "--virtserialport", value])) == "--virtserialport \(value): \(problem)")
  }

  @Test(arguments: [
    ("name=n", "the backend is missing; add e.g. stdio, socket=PATH or file=PATH"),
    ("stdio,stdio", "the key \"stdio\" is given twice; give it once"),
    ("stdio=", "unknown key \"stdio\"; give stdio, socket=PATH or file=PATH"),
    ("stdoi", "\"stdoi\" is not key=value; give stdio, socket=PATH or file=PATH"),
    (
      "stdio,overflow=drop-newst",
      "\"overflow\" cannot be \"drop-newst\"; did you mean overflow=drop-newest?"
    ),
    ("stdio,early=drop", "unknown key \"early\"; give stdio, socket=PATH or file=PATH"),
    ("stdio,nr=one", "the value of \"nr\" is not a whole number; give e.g. nr=1"),
  ])
  func refusesConsoles(value: String, problem: String) {
    #expect(
      refusal(bytes(["run", "--virtconsole", value])) == "--virtconsole \(value): \(problem)")
  }

  @Test(arguments: [
    ("--on-sigterm", "reboot", "there is no such action; give powerdown, powerdown,SECONDS or end"),
    ("--on-sigterm", "powerdown,", "this is not a number of seconds; give 0 to 86400"),
    ("--on-sigterm", "powerdown,-1", "this is not a number of seconds; give 0 to 86400"),
    ("--linger", "1s", "this is not a number of seconds; give 0 to 86400"),
    ("--linger", "86401", "this is not a number of seconds; give 0 to 86400"),
    (
      "--serial", "file=/l,overflow=drop-oldest",
      "the serial console drops what is newest, or nothing; give overflow=wait, or leave it out"
    ),
  ])
  func refusesWaysToEnd(option: String, value: String, problem: String) {
    #expect(refusal(bytes(["run", option, value])) == "\(option) \(value): \(problem)")
  }

  @Test(arguments: [
    ("vs0", "\"vs0\" is not key=value; give id=ID,max-ports=N"),
    ("max-port=3", "unknown key \"max-port\"; did you mean \"max-ports\"?"),
    ("max-ports=many", "the value of \"max-ports\" is not a whole number; give e.g. max-ports=1"),
    ("vectors=-1", "the value of \"vectors\" is not a whole number; give e.g. vectors=1"),
    ("packed=yes", "the value of \"packed\" is not on or off; give packed=on or packed=off"),
    ("transport=pcie", "\"transport\" cannot be \"pcie\"; did you mean transport=pci?"),
    (
      "resize-order=rows",
      "\"resize-order\" cannot be \"rows\"; give resize-order=spec or resize-order=legacy"
    ),
    ("transport=ccw", "\"transport\" cannot be \"ccw\"; give transport=pci or transport=mmio"),
    ("transport=mmio,disable-legacy=on", "\"disable-legacy\" is for devices on PCI; leave it out"),
    ("disable-modern=off,transport=mmio", "\"disable-modern\" is for devices on PCI; leave it out"),
    (
      "disable-modern=on,disable-legacy=on",
      "device cannot work as neither modern nor legacy mode is enabled;"
        + " set either disable-modern or disable-legacy to off"
    ),
  ])
  func refusesDevices(value: String, problem: String) {
    #expect(
      refusal(bytes(["run", "--virtio-serial", value])) == "--virtio-serial \(value): \(problem)")
  }

  @Test(arguments: [
    ("sreial", "there is no such backend; did you mean serial?"),
    ("file:/l", "there is no such backend; did you mean file=PATH?"),
    ("none", "there is no such backend; give serial, file=PATH or chardev=ID"),
    ("chardev=x", "Property 'emergency' can't find value 'x'; add -chardev BACKEND,id=x"),
    ("chardev=", "the value of \"chardev\" is empty; give chardev=ID"),
    ("file=", "the value of \"file\" is empty; give file=PATH"),
  ])
  func refusesEmergency(value: String, problem: String) {
    #expect(refusal(bytes(["run", "--emergency", value])) == "--emergency \(value): \(problem)")
  }

  @Test(arguments: [
    ("stdoi", "there is no such backend; did you mean stdio?"),
    ("non", "there is no such backend; did you mean none?"),
    ("file", "there is no such backend; did you mean file=PATH?"),
    (
      "/dev/ttyS0",
      "there is no such backend; give stdio, stderr, none, pty, file=PATH or socket=PATH"
    ),
    (
      "telnet", "there is no such backend; give stdio, stderr, none, pty, file=PATH or socket=PATH"
    ),
    ("file=", "the value of \"file\" is empty; give file=PATH"),
    ("file=/a,b", "\"b\" is not key=value; give file=PATH"),
    ("file=/a,apend=on", "unknown key \"apend\"; did you mean \"append\"?"),
    ("append=on", "\"append\" is for output files; leave it out"),
    ("log=/l", "the backend is missing; give e.g. stdio, none or file=PATH"),
    (
      "telnet:localhost:1",
      "there is no such backend; give stdio, stderr, mon:stdio, none, null, pty, file:PATH, pipe:PATH,"
        + " chardev:ID, unix:PATH,server=on,wait=off, tcp:HOST:PORT,server=on,wait=off or"
        + " udp:HOST:PORT@LOCALHOST:LOCALPORT"
    ),
    ("chardev:x", "Property 'serial' can't find value 'x'; add -chardev BACKEND,id=x"),
    ("tcp:nowhere", "this is not an address; give tcp:HOST:PORT"),
    (
      "unix:/s,server=on,wait=yes",
      "the value of \"wait\" is not on or off; give wait=on or wait=off"
    ),
  ])
  func refusesSerial(value: String, problem: String) {
    #expect(refusal(bytes(["run", "--serial", value])) == "--serial \(value): \(problem)")
  }

  @Test(arguments: CommandTable.run.options.filter { $0.metavariable != nil })
  func refusesInvalidUTF8(option: CommandOption) {
    let line = "\(option.name) a\\xc3b: the value is not valid UTF-8; give it in UTF-8"
    let value: [UInt8] = [0x61, 0xc3, 0x62]
    #expect(refusal([Array("run".utf8), Array(option.name.utf8), value]) == line)
    #expect(refusal([Array("run".utf8), Array("\(option.name)=".utf8) + value]) == line)
  }
}
