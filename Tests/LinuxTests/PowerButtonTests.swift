import Control
import Testing

/// The power button, pressed over QMP, of a guest that has seen ports come and go.
extension StockGuestTests.EndTests {
  @Test(
    "virtio_serial_hotplug_port_pci",
    arguments: ["with_shutdown_after_plug", "with_shutdown_after_unplug"])
  func powerButtonEndsTheMachine(when: String) throws {
    let guest = try Guest(Guest.Options(spareSockets: ["spare"], hasControl: true))
    try guest.awaitAgent()
    let control = try guest.control
    try guest.startPowerButtonDaemon()
    try guest.addDevice("vs1")
    try guest.addPort("spare", to: "vs1", number: 1)
    let client = try guest.connect("spare")
    try guest.checkEcho("spare", client)
    if when == "with_shutdown_after_unplug" {
      for id in ["spare", "vs1"] { try guest.remove(id) }
    }
    try control.execute("system_powerdown")
    try control.awaitEvent("POWERDOWN")
    try control.awaitEvent("SHUTDOWN") {
      $0["guest"] == true && $0["reason"] == "guest-shutdown"
    }
    #expect(try guest.awaitEnd() == .exited(0))
    #expect(try client.receiveToEnd().isEmpty)
  }
}

extension Guest {
  /// From now on the guest powers off when its power button is pressed.
  func startPowerButtonDaemon() throws {
    // As the daemon wants it: a program for the key's press.
    try agent.run(
      "mkdir -p /etc/acpi/PWRF; printf '#!/bin/sh\\nexec poweroff -f\\n' >/etc/acpi/PWRF/00000080;"
        + " chmod +x /etc/acpi/PWRF/00000080")
    try agent.startProgram("acpid", "acpid -d")
    try agent.wait(
      until: "ls -l /proc/$(cat /tmp/acpid.pid)/fd | grep -q /dev/input/event", "the daemon")
  }
}
