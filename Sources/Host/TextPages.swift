import CKVM

/// Memory that a start needs and a running machine does not: the program's own machine code, and what
/// was allocated and freed again.
package enum TextPages {
  /// Gives the code's pages back to the page cache, from where those that are still used come again one
  /// by one, and what is free of the heap to the kernel: of a thousand ports' configurations there are
  /// several copies at the start. Callable on any thread.
  package static func release() throws(SystemError) {
    _ = malloc_trim(0)
    let result = clinux_release_program_code()
    if result < 0 { throw SystemError("madvise of the program's code", errno: -result) }
  }
}
