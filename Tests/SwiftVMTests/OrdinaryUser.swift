import Glibc

/// Gives up root's rights for good, in the process of an exit test; ends it where that fails.
func becomeOrdinaryUser() {
  let unprivileged: uid_t = 65534
  if geteuid() == 0, setuid(unprivileged) != 0 { exit(70) }
}
