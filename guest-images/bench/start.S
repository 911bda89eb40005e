/* From PVH's 32-bit entry to C in long mode, and from there to CPL 3. */

  .section .note.pvh, "a", @note
  .align 4
  .long 4, 4, 18            /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
  .asciz "Xen"
  .long pvh_entry

  .section .text.entry, "ax"
  .code32
  .globl pvh_entry
pvh_entry:
  movl $0x3f8, %edx         /* the first sign of life: one byte to COM1 */
  movb $'!', %al
  outb %al, %dx

  movl $stack_top, %esp
  movl %ebx, %edi           /* hvm_start_info, the first argument of guest_main */
  movl $page_map, %eax
  movl %eax, %cr3
  movl %cr4, %eax
  orl $0x20, %eax           /* PAE */
  movl %eax, %cr4
  movl $0xc0000080, %ecx    /* EFER */
  rdmsr
  orl $0x100, %eax          /* LME */
  wrmsr
  movl %cr0, %eax
  orl $0x80000000, %eax     /* PG */
  movl %eax, %cr0
  lgdt gdt_pointer
  ljmp $0x08, $long_entry

  .code64
long_entry:
  movl $0x10, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %ss
  movl %edi, %edi           /* clear the upper half */
  call guest_main
2:
  cli
  hlt
  jmp 2b

/* void drop_to_user(void): returns at CPL 3 with IOPL 3, so that ports stay usable; interrupts off. */
  .text
  .globl drop_to_user
drop_to_user:
  popq %rax
  movq %rsp, %rcx
  pushq $0x23
  pushq %rcx
  pushq $0x3002
  pushq $0x1b
  pushq %rax
  iretq

  .data
  .align 16
gdt:
  .quad 0
  .quad 0x00af9b000000ffff  /* 0x08: 64-bit code */
  .quad 0x00cf93000000ffff  /* 0x10: data */
  .quad 0x00affb000000ffff  /* 0x1b: 64-bit code, CPL 3 */
  .quad 0x00cff3000000ffff  /* 0x23: data, CPL 3 */
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

/* The first GiB, and the fourth for devices (uncached), mapped identically in 2 MiB pages for every CPL. Written by
   the assembler: a loop would be interpreted, slowly, where CPL 0 is. */
  .align 4096
page_map:
  .quad page_directory_pointers + 7
  .fill 511, 8, 0
page_directory_pointers:
  .quad memory_directory + 7, 0, 0, device_directory + 7
  .fill 508, 8, 0
memory_directory:
  address = 0
  .rept 512
  .quad address + 0x87
  address = address + 0x200000
  .endr
device_directory:
  address = 0xc0000000
  .rept 512
  .quad address + 0x9f
  address = address + 0x200000
  .endr

  .bss
  .align 16
  .skip 16384
stack_top:
