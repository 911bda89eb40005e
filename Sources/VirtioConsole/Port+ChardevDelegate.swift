import Chardev

extension Port: ChardevDelegate {
  func chardevDidConnect(_ chardev: any Chardev) {
    device?.hostSideChanged(of: self, open: true)
  }

  func chardevDidDisconnect(_ chardev: any Chardev) {
    device?.hostSideChanged(of: self, open: false)
  }

  func chardevIsReadable(_ chardev: any Chardev) { device?.hostSideIsReadable(of: self) }

  func chardevIsWritable(_ chardev: any Chardev) { device?.hostSideIsWritable(of: self) }

  func chardevDidResize(_ chardev: any Chardev) { device?.hostSideWasResized(of: self) }
}
