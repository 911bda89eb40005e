/* One inline wrapper per KVM ioctl used. Each returns the call's result, or -errno. */
#ifndef CKVM_KVM_CALLS_H
#define CKVM_KVM_CALLS_H

#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "shared_access.h"

static inline int ckvm_result(int result) { return result < 0 ? -errno : result; }

#endif
