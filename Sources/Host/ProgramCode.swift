import CKVM

/// The program's own machine code, as far as it is in memory.
package enum ProgramCode {
  /// Gives its pages back to the page cache, from where those that are still used come again one by
  /// one: most of what a start needs is never used afterwards. Callable on any thread.
  package static func release() throws(SystemError) {
    let result = clinux_release_program_code()
    if result < 0 { throw SystemError("madvise of the program's code", errno: -result) }
  }
}
