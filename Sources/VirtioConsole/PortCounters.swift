/// What went through one port since the machine was made.
package struct PortCounters: Equatable, Sendable {
  /// Bytes the guest sent that the host end took.
  package var bytesToHost: UInt64 = 0
  /// Bytes from the host that were put into the guest's buffers.
  package var bytesToGuest: UInt64 = 0
  /// Bytes a console sent that were dropped, since its client did not take them in time; and those of any port
  /// that its host end could not write. With these and `bytesToHost`, `bytesDiscarded` makes up all
  /// that the guest sent.
  package var bytesDropped: UInt64 = 0
  /// Bytes of a channel that were thrown away: from the guest as its client was gone (or the guest
  /// reset the device before a client took them), from a client as the guest had the port closed.
  package var bytesDiscarded: UInt64 = 0
  /// How often the guest had to wait for the host.
  package var throttles: UInt64 = 0
  /// How many clients have come.
  package var connections: UInt64 = 0

  package init() {}
}
