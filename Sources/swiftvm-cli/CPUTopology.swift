/// Sockets and cores as given; QEMU's rule for what is not.
struct CPUTopology {
  let sockets: Int?
  let cores: Int?

  /// How many CPUs these are.
  ///
  /// - Parameter total: how many there shall be, by which the missing one is found.
  func count(of total: Int?) -> Int {
    let sockets = sockets ?? cores.map { (total ?? $0) / $0 } ?? 1
    let cores = cores ?? (total ?? sockets) / sockets
    let (product, overflow) = sockets.multipliedReportingOverflow(by: cores)
    return overflow ? .max : product
  }
}
