/* From PVH's 32-bit entry to C in long mode, and the interrupt stubs. */

  .section .note.pvh, "a", @note
  .align 4
  .long 4, 4, 18            /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
  .asciz "Xen"
  .long pvh_entry

  .section .text.entry, "ax"
  .code32
  .globl pvh_entry
pvh_entry:
  cli
  cld
  movl $stack_top, %esp
  movl %ebx, %edi           /* hvm_start_info, the first argument of main */

  /* The first GiB mapped identically; map_device adds what else is needed. */
  movl $page_directory_pointers + 3, page_map
  movl $page_directory + 3, page_directory_pointers
  movl $page_directory, %ecx
  movl $0x83, %eax
1:
  movl %eax, (%ecx)
  addl $0x200000, %eax
  addl $8, %ecx
  cmpl $page_directory + 4096, %ecx
  jne 1b

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
  movq $stack_top, %rsp
  call guest_main
2:
  cli
  hlt
  jmp 2b

/* One stub per vector: pushes the vector and goes on. 16 bytes each, so that the table is regular. */
  .text
  .globl interrupt_stubs
  .align 16
interrupt_stubs:
  vector = 0
  .rept 256
  .align 16
  .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17)
  pushq $0                  /* where the processor pushes no error code */
  .endif
  pushq $vector
  jmp interrupt_common
  vector = vector + 1
  .endr

interrupt_common:
  pushq %rax
  pushq %rcx
  pushq %rdx
  pushq %rsi
  pushq %rdi
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  movq 72(%rsp), %rdi       /* vector */
  movq 80(%rsp), %rsi       /* error code */
  movq 88(%rsp), %rdx       /* instruction pointer */
  cld
  call interrupt
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rdi
  popq %rsi
  popq %rdx
  popq %rcx
  popq %rax
  addq $16, %rsp
  iretq

/* For an exception that is to happen again and again. */
  .globl return_from_interrupt
return_from_interrupt:
  iretq

/* Real-mode code of the other processors, copied to a page below 1 MiB: each counts itself. */
  .globl processor_start, processor_start_end
  .code16
processor_start:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  lock incl 0x600
3:
  hlt
  jmp 3b
processor_start_end:

/* The same for processors that count themselves, wait for a word, and reset the machine. */
  .globl processor_reset, processor_reset_end
processor_reset:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  lock incl 0x600
4:
  pause
  cmpb $0, 0x604
  je 4b
  movb $0xfe, %al
  outb %al, $0x64
5:
  hlt
  jmp 5b
processor_reset_end:

/* The same for one that restarts the machine by the BIOS' entry. */
  .globl processor_bios, processor_bios_end
processor_bios:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  lock incl 0x600
  ljmp $0xf000, $0xfff0
processor_bios_end:

  .data
  .align 16
gdt:
  .quad 0
  .quad 0x00af9b000000ffff  /* 0x08: 64-bit code */
  .quad 0x00cf93000000ffff  /* 0x10: data */
gdt_pointer:
  .word gdt_pointer - gdt - 1
  .long gdt

  .bss
  .align 4096
  .globl page_map
page_map:
  .skip 4096
page_directory_pointers:
  .skip 4096
page_directory:
  .skip 4096
  .skip 16384
stack_top:
