import Host

/// The result of a `ckvm_` wrapper, or the error it stands for under the name of the call.
@discardableResult
func checked(_ call: String, _ result: Int32) throws(SystemError) -> Int32 {
  guard result >= 0 else { throw SystemError(call, errno: -result) }
  return result
}
