import Chardev
import Control
import Host
import VirtioConsole

// Host ends that come and go.
extension ControlledMachine {
  var chardevs: [ChardevReport] {
    let used = virtioPorts.map { port in
      ChardevReport(
        label: port.chardev, filename: port.filename, isFrontEndOpen: port.isOpenInGuest)
    }
    let serial = machine.serialChardev.map { chardev in
      ChardevReport(label: serialLabel, filename: chardev.filename, isFrontEndOpen: true)
    }
    return [serial].compactMap { $0 } + used
      + owner.configuration.characterDevices.compactMap { spare in
        guard let id = spare.id, let chardev = owner.hostEnds.registry.end(of: spare) else {
          return nil
        }
        return ChardevReport(label: id, filename: chardev.filename, isFrontEndOpen: false)
      }
  }

  /// One that the user gave no id, by what it is called instead.
  private func unnamedChardev(_ label: String) -> (any Chardev)? {
    if label == serialLabel { return machine.serialChardev }
    return place(ofChardev: label).flatMap {
      machine.chardev(ofPort: $0.number, ofDevice: $0.device)
    }
  }

  /// QEMU's name where the user gave none.
  var serialLabel: String { owner.configuration.serialPort.label }

  func addChardev(_ configuration: ChardevConfiguration) throws(QMPError) -> String? {
    guard let id = configuration.id,
      !owner.configuration.attachments.contains(where: { $0.0.id == id })
    else {
      throw QMPError("there is a host end of this id already")
    }
    let chardev = try open(configuration)
    owner.configuration.characterDevices.append(configuration)
    return ClientConnection.terminalPath(of: chardev)
  }

  func changeChardev(_ configuration: ChardevConfiguration) throws(QMPError) -> String? {
    guard let id = configuration.id else { return nil }
    guard let place = owner.configuration.characterDevices.firstIndex(where: { $0.id == id }) else {
      return try exchangeChardev(id, for: configuration)
    }
    let before = owner.configuration.characterDevices[place]
    close(id)
    do throws(QMPError) {
      let chardev = try open(configuration)
      owner.configuration.characterDevices[place] = configuration
      return ClientConnection.terminalPath(of: chardev)
    } catch {
      // What it was comes back, if it can still be had.
      if (try? open(before)) == nil { owner.configuration.characterDevices.remove(at: place) }
      throw error
    }
  }

  func removeChardev(id: String) throws(QMPError) {
    guard let place = owner.configuration.characterDevices.firstIndex(where: { $0.id == id }) else {
      throw QMPError("Chardev '\(id)' is busy")
    }
    owner.configuration.characterDevices.remove(at: place)
    close(id)
    owner.control?.somethingChanged()
  }

  /// The serial console alone heeds one.
  func sendBreak(toChardev id: String) {
    guard id == serialLabel, let chardev = machine.serialChardev else { return }
    chardev.delegate?.chardevDidReceiveBreak(chardev)
  }

  func ringBuffer(id: String) throws(QMPError) -> any RingBufferAccess {
    guard let parts = owner.hostEnds.registry.parts(of: id) ?? unnamedChardev(id)?.parts else {
      throw QMPError("Device '\(id)' not found")
    }
    guard let buffer = parts.lazy.compactMap({ $0 as? RingBuffer }).first else {
      throw QMPError("\(id) is not a ringbuf device")
    }
    return buffer
  }

  private func open(_ configuration: ChardevConfiguration) throws(QMPError) -> any Chardev {
    do {
      let path = PropertyPath.root.characterDevices
      var rules = BackendRules(beside: owner.configuration, except: configuration.id)
      try rules.check(configuration, of: path)
      let bootFiles = try? owner.configuration.bootLoader.validate(
        memorySize: owner.configuration.memorySize)
      try BackendRules.check(configuration, of: path, sparing: bootFiles ?? [:])
      let chardev = try owner.hostEnds.openSpare(configuration)
      try machine.keep(chardev)
      return chardev
    } catch let error as ConfigurationError {
      throw QMPError(error)
    } catch {
      if let id = configuration.id { close(id) }
      throw QMPError("\(error)")
    }
  }

  private func close(_ id: String) {
    guard let chardev = owner.hostEnds.registry.remove(id: id) else { return }
    machine.release(chardev)
  }
}

extension QMPError {
  /// A mistake in a configuration, as a client is told of it.
  init(_ error: ConfigurationError) {
    let remedy = error.remedy.spelled { path, value in
      let names = path.components.map(\.name)
      let key = PropertyWords.key(of: names, in: .shortForm) ?? names.last ?? ""
      return value.map { key + "=" + $0 } ?? key
    }
    // QEMU says whose rule it is that a port breaks, and no more.
    let isRuleOfPorts = [.portExists, .portNumberOutOfRange, .tooManyPorts].contains(error.code)
    let clauses = [error.problem.description, isRuleOfPorts ? "" : remedy].filter { !$0.isEmpty }
    self.init((isRuleOfPorts ? "virtio-serial-bus: " : "") + clauses.joined(separator: "; "))
  }
}

extension VirtioConsolePortConfiguration {
  /// What the port's host end is called; made up where the user gave it no id.
  func chardevLabel(ofDevice device: String) -> String {
    attachment.id ?? id ?? "\(device).\(number ?? 0)"
  }
}

extension RingBuffer: RingBufferAccess {
  package func wait(for text: [UInt8], whenFound: @escaping () -> Void) -> () -> Void {
    wait(for: text, from: nil, whenFound: { _ in whenFound() }).cancel
  }
}
