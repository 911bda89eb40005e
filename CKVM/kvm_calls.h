/* One inline wrapper per KVM ioctl used. Each returns the call's result, or -errno. */
#ifndef CKVM_KVM_CALLS_H
#define CKVM_KVM_CALLS_H

#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "shared_access.h"

static inline int ckvm_result(int result) { return result < 0 ? -errno : result; }

#define CKVM_CALL(name, request) \
  static inline int name(int fd) { return ckvm_result(ioctl(fd, request, 0)); }
#define CKVM_CALL_VALUE(name, request) \
  static inline int name(int fd, unsigned long value) { return ckvm_result(ioctl(fd, request, value)); }
#define CKVM_CALL_IN(name, request, type) \
  static inline int name(int fd, const type *argument) { return ckvm_result(ioctl(fd, request, argument)); }
#define CKVM_CALL_INOUT(name, request, type) \
  static inline int name(int fd, type *argument) { return ckvm_result(ioctl(fd, request, argument)); }

/* The device node. */
CKVM_CALL(ckvm_get_api_version, KVM_GET_API_VERSION)
CKVM_CALL(ckvm_get_vcpu_mmap_size, KVM_GET_VCPU_MMAP_SIZE)
CKVM_CALL(ckvm_create_vm, KVM_CREATE_VM)
CKVM_CALL_VALUE(ckvm_check_extension, KVM_CHECK_EXTENSION)
CKVM_CALL_INOUT(ckvm_get_supported_cpuid, KVM_GET_SUPPORTED_CPUID, struct kvm_cpuid2)

/* A virtual machine. */
CKVM_CALL_IN(ckvm_set_identity_map_addr, KVM_SET_IDENTITY_MAP_ADDR, uint64_t)
CKVM_CALL_VALUE(ckvm_set_tss_addr, KVM_SET_TSS_ADDR)
CKVM_CALL(ckvm_create_irqchip, KVM_CREATE_IRQCHIP)
CKVM_CALL_INOUT(ckvm_get_irqchip, KVM_GET_IRQCHIP, struct kvm_irqchip)
CKVM_CALL_IN(ckvm_set_irqchip, KVM_SET_IRQCHIP, struct kvm_irqchip)
CKVM_CALL_IN(ckvm_create_pit2, KVM_CREATE_PIT2, struct kvm_pit_config)
CKVM_CALL_IN(ckvm_set_user_memory_region, KVM_SET_USER_MEMORY_REGION, struct kvm_userspace_memory_region)
CKVM_CALL_IN(ckvm_set_gsi_routing, KVM_SET_GSI_ROUTING, struct kvm_irq_routing)
CKVM_CALL_IN(ckvm_irqfd, KVM_IRQFD, struct kvm_irqfd)
CKVM_CALL_IN(ckvm_signal_msi, KVM_SIGNAL_MSI, struct kvm_msi)
CKVM_CALL_IN(ckvm_ioeventfd, KVM_IOEVENTFD, struct kvm_ioeventfd)
CKVM_CALL_IN(ckvm_irq_line, KVM_IRQ_LINE, struct kvm_irq_level)
CKVM_CALL_VALUE(ckvm_create_vcpu, KVM_CREATE_VCPU)

/* A virtual processor. */
CKVM_CALL(ckvm_run, KVM_RUN)
CKVM_CALL(ckvm_kvmclock_ctrl, KVM_KVMCLOCK_CTRL)
CKVM_CALL_IN(ckvm_set_cpuid2, KVM_SET_CPUID2, struct kvm_cpuid2)
CKVM_CALL_IN(ckvm_set_msrs, KVM_SET_MSRS, struct kvm_msrs)
CKVM_CALL_INOUT(ckvm_get_regs, KVM_GET_REGS, struct kvm_regs)
CKVM_CALL_IN(ckvm_set_regs, KVM_SET_REGS, struct kvm_regs)
CKVM_CALL_INOUT(ckvm_get_mp_state, KVM_GET_MP_STATE, struct kvm_mp_state)
CKVM_CALL_INOUT(ckvm_get_sregs, KVM_GET_SREGS, struct kvm_sregs)
CKVM_CALL_IN(ckvm_set_sregs, KVM_SET_SREGS, struct kvm_sregs)
CKVM_CALL_IN(ckvm_set_fpu, KVM_SET_FPU, struct kvm_fpu)
CKVM_CALL_INOUT(ckvm_get_lapic, KVM_GET_LAPIC, struct kvm_lapic_state)
CKVM_CALL_IN(ckvm_set_lapic, KVM_SET_LAPIC, struct kvm_lapic_state)
CKVM_CALL_INOUT(ckvm_translate, KVM_TRANSLATE, struct kvm_translation)

#undef CKVM_CALL
#undef CKVM_CALL_VALUE
#undef CKVM_CALL_IN
#undef CKVM_CALL_INOUT

/* Constants Swift cannot import: macros that name an enumerator or hold a cast. */
static const uint32_t CKVM_IOEVENTFD_PIO = KVM_IOEVENTFD_FLAG_PIO;
static const uint32_t CKVM_IOEVENTFD_DATAMATCH = KVM_IOEVENTFD_FLAG_DATAMATCH;
static const uint32_t CKVM_IOEVENTFD_DEASSIGN = KVM_IOEVENTFD_FLAG_DEASSIGN;
static const uint32_t CKVM_IRQFD_DEASSIGN = KVM_IRQFD_FLAG_DEASSIGN;

#endif
