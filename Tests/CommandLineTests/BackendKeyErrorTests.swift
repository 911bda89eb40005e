import Testing

@testable import swiftvm_cli

/// What the short form of backends cannot mean is refused by name, with a remedy.
@Suite
struct BackendKeyErrorTests {
  @Test(arguments: [
    (
      "tcp=x", "the value of \"tcp\" is not an address; give tcp=HOST:PORT, PORT or HOST:FIRST-LAST"
    ),
    (
      "tcp=::1:80",
      "the value of \"tcp\" is not an address;"
        + " give tcp=HOST:PORT, PORT or HOST:FIRST-LAST"
    ),
    (
      "tcp-connect=h:1-2",
      "the value of \"tcp-connect\" is not an address;"
        + " give tcp-connect=HOST:PORT"
    ),
    (
      "udp=1@2@3",
      "the value of \"udp\" is not an address;"
        + " give udp=HOST:PORT[@LOCALHOST:LOCALPORT]"
    ),
    (
      "ringbuf=many",
      "the value of \"ringbuf\" is not a size; give a number of bytes, or with K, M or"
        + " G, e.g. ringbuf=64K"
    ),
    ("file=/f,owner=0", "\"owner\" is for listening Unix sockets with a path; leave it out"),
    ("socket=/s,reconnect=1", "\"reconnect\" is for connecting sockets; leave it out"),
    ("socket=/s,append", "\"append\" is for output files; leave it out"),
    ("socket=/s,keepalive=1", "\"keepalive\" is for TCP; leave it out"),
    ("connect=/s,replay=1K", "\"replay\" is for listening sockets; leave it out"),
    (
      "socket=/s,replay=much",
      "the value of \"replay\" is not a size; give a number of bytes, or with K, M or G,"
        + " e.g. replay=64K"
    ),
    ("fd=99999999999", "no descriptor has such a number; give fd=NUMBER or fd=NAME"),
    ("null,log-append", "\"log-append\" is without \"log\"; give log=PATH"),
  ])
  func refusesBackends(value: String, problem: String) {
    let value = "name=n," + value
    #expect(
      refusal(bytes(["run", "--virtserialport", value])) == "--virtserialport \(value): \(problem)")
  }
}
