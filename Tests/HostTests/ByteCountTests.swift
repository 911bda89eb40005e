import Host
import Testing

@Suite
struct ByteCountTests {
  @Test(
    arguments: [
      ("0", 0), ("1", 1 << 20), ("512", 512 << 20), ("512M", 512 << 20), ("512m", 512 << 20),
      ("4K", 4096), ("4k", 4096), ("2G", 2 << 30), ("2g", 2 << 30), ("007", 7 << 20),
      ("17179869183G", 17_179_869_183 << 30),
    ] as [(String, UInt64)])
  func reads(text: String, bytes: UInt64) throws {
    #expect(try ByteCount.parse(text) == bytes)
  }

  @Test(arguments: [
    ("", ByteCount.ParseError.malformed), ("M", .malformed), ("-1", .malformed),
    ("+1", .malformed), ("1.5G", .malformed), ("512MB", .malformed), ("512 M", .malformed),
    (" 512M", .malformed), ("0x10", .malformed), ("٣M", .malformed), ("1T", .malformed),
    ("17179869184G", .tooLarge), ("18446744073709551616", .tooLarge),
    ("99999999999999999999999K", .tooLarge),
  ])
  func refuses(text: String, error: ByteCount.ParseError) {
    #expect(throws: error) { try ByteCount.parse(text) }
  }

  @Test(
    arguments: [
      (0, "0"), (1, "1 bytes"), (1023, "1023 bytes"), (1024, "1K"), (3 << 10, "3K"),
      (1 << 20, "1M"), (1 << 30, "1G"), (1536 << 20, "1536M"), (UInt64.max, "\(UInt64.max) bytes"),
    ] as [(UInt64, String)])
  func writes(bytes: UInt64, text: String) {
    #expect(ByteCount.format(bytes) == text)
  }

  @Test(arguments: [4096, 2 << 20, 512 << 20, 3 << 30, (1 << 30) + (1 << 20)] as [UInt64])
  func readsWhatItWrites(bytes: UInt64) throws {
    #expect(try ByteCount.parse(ByteCount.format(bytes)) == bytes)
  }
}
