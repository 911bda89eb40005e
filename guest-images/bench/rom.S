/* What QEMU needs in place of firmware: 64 KiB below 4 GiB that enter the guest, which QEMU's loader devices have put
   into memory, as PVH does: 32-bit protected mode, start information in ebx. */
  start_information = 0x6000
  entry = 0x100000          /* guest.ld puts it first */
  base = 0xffff0000

  .section .text, "ax"
  .org 0xff00
  .code16
reset:
  cli
  cld
  lgdtl %cs:gdt_pointer - base
  movl %cr0, %eax
  orl $1, %eax
  movl %eax, %cr0
  ljmpl $0x08, $protected
  .code32
protected:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl $start_information, %ebx
  movl $entry, %eax
  jmp *%eax
  .align 8
gdt:
  .quad 0
  .quad 0x00cf9b000000ffff
  .quad 0x00cf93000000ffff
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

  .org 0xfff0
  .code16
  jmp reset
  .org 0x10000
