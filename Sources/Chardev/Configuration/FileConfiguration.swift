/// Files as a host end.
public struct FileConfiguration: Equatable, Sendable {
  /// Where an output file goes on once it is full.
  public struct Rotation: Equatable, Sendable {
    /// The most bytes of one file.
    public var size: UInt64
    /// How many full files are kept, as `path.1` (the newest), `path.2`, ….
    public var count: Int

    /// What sizes may be: smaller files would make moving them most of the work.
    public static let allowedSizes: ClosedRange<UInt64> = 4096...UInt64.max
    /// What counts may be: more files would take too long to rename, since the guest waits.
    public static let allowedCounts = 1...100

    /// Makes a limit.
    public init(size: UInt64, count: Int = 1) {
      self.size = size
      self.count = count
    }
  }

  /// The file that receives what the guest writes; nil for nothing.
  public var output: String?
  /// The file whose bytes the guest reads; nil for none.
  public var input: String?
  /// Whether an existing output file is kept and added to.
  public var appends: Bool
  /// A limit of the output's size; nil for none.
  public var rotation: Rotation?
  /// The permissions of an output file that is made, at most `0o777`; nil for `0o600`. A file that is
  /// there keeps its own.
  public var mode: UInt32?

  /// Makes a description.
  public init(
    output: String? = nil, input: String? = nil, appends: Bool = false, rotation: Rotation? = nil
  ) {
    self.output = output
    self.input = input
    self.appends = appends
    self.rotation = rotation
  }
}
