/// Why a guest cannot be booted as asked: always something the user can change.
///
/// `description` says what is wrong and what to do; `culprit` names the option.
package enum BootError: Error, Equatable, Sendable {
  /// The kernel file has no bytes.
  case kernelEmpty
  /// The kernel's headers describe more than the file holds; `size` is the file's, in bytes.
  case kernelTruncated(size: Int)
  /// The kernel file is in none of the accepted formats.
  case notAKernel
  /// The kernel file is compressed as a whole, by the named format.
  case kernelCompressed(format: String)
  /// The file is a unified kernel image with these sections, as far as they are of use.
  case unifiedKernelImage(sections: [String])
  /// The file is a program for EFI firmware.
  case efiProgram
  /// The kernel runs in 32-bit mode only.
  case kernel32Bit
  /// The kernel is for another processor, named if known.
  case wrongArchitecture(String)
  /// The bzImage speaks a version of the boot protocol that has no 64-bit entry.
  case bootProtocolTooOld(version: UInt16)
  /// A field of the bzImage's setup header makes no sense.
  case badSetupHeader(field: String)
  /// The ELF file is not an executable but an object file, a core dump or the like.
  case notExecutable
  /// A field of the ELF header makes no sense.
  case badELFHeader(field: String)
  /// The ELF file has nothing to load.
  case noSegments
  /// A segment has more bytes in the file than in memory; `address` is where it is loaded.
  case segmentTooSmall(address: UInt64)
  /// The kernel wants memory below 1 MiB, which holds the boot information.
  case kernelTooLow(address: UInt64)
  /// The kernel wants memory at or beyond 3 GiB, where no machine has RAM for it.
  case kernelTooHigh(address: UInt64)
  /// Two segments share memory from this address on.
  case segmentsOverlap(address: UInt64)
  /// The kernel's first instruction is in none of its segments.
  case entryOutsideKernel(address: UInt64)
  /// The PVH note holds an address of neither 4 nor 8 bytes.
  case badEntryNote(size: UInt32)
  /// The initrd file has no bytes.
  case initrdEmpty
  /// The initrd does not fit beside the kernel; sizes in bytes.
  case initrdTooLarge(size: UInt64, available: UInt64)
  /// The command line is longer than the kernel accepts; sizes in bytes, without the final NUL.
  case commandLineTooLong(size: Int, limit: Int)
  /// The command line contains a NUL character.
  case commandLineHasNUL
  /// The kernel needs more memory, namely this many bytes at least.
  case memoryTooSmall(needed: UInt64)
  /// The memory is larger than the address map has room for; `limit` in bytes.
  case memoryTooLarge(limit: UInt64)
  /// The memory is not a whole number of 4 KiB pages.
  case memoryNotPages

  /// The option a `BootError` is about.
  package enum Culprit: Sendable {
    case kernel, initrd, commandLine, memory
  }

  /// Which option is at fault.
  package var culprit: Culprit {
    switch self {
    case .initrdEmpty, .initrdTooLarge: .initrd
    case .commandLineTooLong, .commandLineHasNUL: .commandLine
    case .memoryTooSmall, .memoryTooLarge, .memoryNotPages: .memory
    default: .kernel
    }
  }
}

extension BootError: CustomStringConvertible {
  /// One line.
  package var description: String {
    switch self {
    case .kernelEmpty:
      "the kernel file is empty; give a vmlinux or a bzImage"
    case .notAKernel:
      "neither an ELF vmlinux nor a bzImage; give a Linux kernel for x86_64"
    case .kernelCompressed(let format):
      "a \(format)-compressed file; unpack it first, or give the bzImage (vmlinuz)"
    case .unifiedKernelImage(let sections):
      "a unified kernel image (PE sections \(sections.map { "." + $0 }.joined(separator: ", ")));"
        + " take each of these out and give it: "
        + sections.map { "objcopy -O binary -j .\($0) IMAGE \($0)" }.joined(separator: " && ")
    case .efiProgram:
      "a program for EFI firmware without a kernel in it; give a Linux kernel for x86_64"
    case .kernel32Bit:
      "a 32-bit kernel; give one built for x86_64 (CONFIG_64BIT=y)"
    case .wrongArchitecture(let name):
      "a kernel for another processor (\(name)); give one built for x86_64"
    case .bootProtocolTooOld(let version):
      "a kernel with boot protocol \(version >> 8).\(version & 0xff), which has no 64-bit entry; "
        + "give Linux 3.8 or newer"
    case .notExecutable:
      "an ELF file that is no executable; give a vmlinux or a bzImage"
    case .kernelTooLow(let address):
      "loads at \(hex(address)), below 1 MiB, as no kernel does; give a vmlinux or a bzImage"
    case .kernelTooHigh(let address):
      "needs memory up to \(hex(address)), beyond 3 GiB; give a kernel linked lower"
    case .kernelTruncated(let size):
      damaged("cut short, its headers describe more than its \(size) bytes")
    case .badSetupHeader(let field): damaged("invalid \(field) in its setup header")
    case .badELFHeader(let field): damaged("invalid \(field) in its ELF header")
    case .noSegments: damaged("no segment to load")
    case .segmentTooSmall(let address):
      damaged("the segment at \(hex(address)) is larger in the file than in memory")
    case .segmentsOverlap(let address): damaged("two segments overlap at \(hex(address))")
    case .entryOutsideKernel(let address):
      damaged("the entry \(hex(address)) is in none of its segments")
    case .badEntryNote(let size):
      damaged("the PVH entry note has \(size) bytes instead of 4 or 8")
    case .initrdEmpty: "the initrd file is empty; give an initramfs, or none"
    case .initrdTooLarge(let size, let available):
      "the initrd has \(mebibytes(size)) MiB, but beside the kernel there is room for "
        + "\(available >> 20) MiB; give more memory or a smaller initrd"
    case .commandLineTooLong(let size, let limit):
      "the command line has \(size) bytes, but this kernel takes at most \(limit); shorten it"
    case .commandLineHasNUL: "the command line contains a NUL character; remove it"
    case .memoryTooSmall(let needed):
      "too little memory for this kernel; give at least \(mebibytes(needed)) MiB"
    case .memoryTooLarge(let limit):
      "more memory than the machine can address; give at most \(limit >> 20) MiB"
    case .memoryNotPages: "the memory size is not a multiple of 4 KiB; give whole MiB"
    }
  }

  private func damaged(_ clause: String) -> String {
    "damaged kernel: \(clause); use an intact file"
  }

  private func hex(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

  private func mebibytes(_ bytes: UInt64) -> UInt64 {
    (bytes >> 20) + (bytes & 0xf_ffff == 0 ? 0 : 1)
  }
}
