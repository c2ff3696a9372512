// PVH entry: from 32-bit protected mode without paging to `kmain` in the higher half.
//
// QEMU finds `pvh_start` through the note and jumps there with ebx = physical address of hvm_start_info, flat segments,
// interrupts off (the PVH boot ABI of Xen, docs/misc/pvh.pandoc). The code runs at its load address, KERNEL_BASE below its
// linked one, so each symbol is reduced until paging is on.
//
// The tables made here map the first 4 GiB in leaves of 2 MiB (1 GiB leaves are optional in CPUs) four times: at 0, at the
// direct map, in the device window and, the first GiB, at KERNEL_BASE. They serve until the kernel activates its own, and
// each other CPU on its way there (ap.s).

.set KERNEL_BASE, 0xffffffff80000000
.set LEAF, 0x83                         // present, writable, large page
.set TABLE, 0x03                        // present, writable

.section .note.pvh, "a", @note
.balign 4
    .long 4, 8, 18                      // name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad pvh_start - KERNEL_BASE

.section .bss.boot_tables, "aw", @nobits
.balign 4096
boot_pml4:          .skip 4096
boot_pdpt:          .skip 4096          // first 4 GiB
boot_pdpt_image:    .skip 4096          // top 2 GiB
boot_directories:   .skip 4 * 4096

.section .rodata.boot, "a"
.balign 8
.global boot_gdt
boot_gdt:           .quad 0
                    .quad 0x00af9b000000ffff    // 0x08: 64-bit code, accessed
                    .quad 0x00cf93000000ffff    // 0x10: data, accessed
                    .quad 0x00cf9b000000ffff    // 0x18: 32-bit code, accessed, for the other CPUs
.global boot_gdt_pointer
boot_gdt_pointer:   .word 31
                    .long boot_gdt - KERNEL_BASE
no_long_mode_text:  .asciz "kos: boot failed: cpu: no 64-bit mode\n"

.section .text.boot, "ax"
.code32
.global pvh_start
pvh_start:
    cld
    mov ebp, ebx                        // cpuid destroys ebx
    mov esp, offset boot_stack_top - KERNEL_BASE

    // A reset loads only what the file holds: statics of the kernel before it would survive.
    mov edi, offset bss_start - KERNEL_BASE
    mov ecx, offset image_end - KERNEL_BASE
    sub ecx, edi
    shr ecx, 2
    xor eax, eax
    rep stosd

    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb no_long_mode
    mov eax, 0x80000001
    cpuid
    mov esi, edx                        // bit 20: NX, bit 29: long mode
    bt esi, 29
    jnc no_long_mode

    mov edi, offset boot_directories - KERNEL_BASE
    mov eax, LEAF
    mov ecx, 4 * 512
1:  mov [edi], eax
    add eax, 0x200000
    add edi, 8
    loop 1b

    mov edi, offset boot_pdpt - KERNEL_BASE
    mov eax, offset boot_directories - KERNEL_BASE + TABLE
    mov ecx, 4
2:  mov [edi], eax
    add eax, 4096
    add edi, 8
    loop 2b

    mov edi, offset boot_pdpt_image - KERNEL_BASE
    mov eax, offset boot_directories - KERNEL_BASE + TABLE
    mov [edi + 510 * 8], eax            // KERNEL_BASE

    mov edi, offset boot_pml4 - KERNEL_BASE
    mov eax, offset boot_pdpt - KERNEL_BASE + TABLE
    mov [edi], eax                      // identity
    mov [edi + 256 * 8], eax            // direct map, 0xffff800000000000
    mov [edi + 510 * 8], eax            // devices, 0xffffff0000000000
    mov eax, offset boot_pdpt_image - KERNEL_BASE + TABLE
    mov [edi + 511 * 8], eax

    xor ebx, ebx                        // the first CPU

// The other CPUs come here from ap.s. ebx: not 0 for them; esi: as above; ebp: start info of the first one.
.global enter_long_mode
enter_long_mode:
    mov eax, offset boot_pml4 - KERNEL_BASE
    mov cr3, eax

    mov eax, cr4
    or eax, 0x620                       // PAE, OSFXSR, OSXMMEXCPT: Rust code uses SSE from its first line
    mov cr4, eax

    mov ecx, 0xc0000080                 // EFER
    rdmsr
    or eax, 0x100                       // LME
    bt esi, 20
    jnc 3f
    or eax, 0x800                       // NXE
3:  wrmsr

    mov eax, cr0
    and eax, 0x9ffffff3                 // no CD, NW (other CPUs come with caches off), EM, TS
    or eax, 0x80010022                  // PG, WP, NE, MP
    mov cr0, eax

    lgdt [boot_gdt_pointer - KERNEL_BASE]
    ljmp 0x08, offset long_mode - KERNEL_BASE

no_long_mode:
    mov esi, offset no_long_mode_text - KERNEL_BASE
4:  lodsb
    test al, al
    jz 6f
    mov bl, al
    mov dx, 0x3fd                       // COM1 line status
    mov ecx, 0x10000                    // bounded: the port may be absent or stuck
5:  in al, dx
    test al, 0x20
    loopz 5b
    mov dx, 0x3f8
    mov al, bl
    out dx, al
    jmp 4b
6:  mov dx, 0xf4                        // isa-debug-exit
    mov eax, (37 - 1) / 2
    out dx, eax
7:  cli
    hlt
    jmp 7b

.code64
long_mode:
    movabs rax, offset higher_half
    jmp rax
higher_half:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    test ebx, ebx
    jnz ap_higher_half
    mov rsp, offset boot_stack_top
    mov edi, ebp                        // start info
    xor ebp, ebp                        // end of the frame-pointer chain
    call kmain
    ud2
