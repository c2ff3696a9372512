// The other CPUs: from the start signal in 16-bit real mode to `ap_main` in the higher half.
//
// `smp.rs` copies the trampoline to a page below 1 MiB, where a start signal can lead. It needs nothing of that page but its own
// bytes. All CPUs run this at once: nothing is written before each has its own stack, which it finds by its APIC id.
// Source: Intel SDM volume 3, section 10.4.4, "MP Initialization Example".

.section .rodata.trampoline, "a"
.balign 16
.global ap_trampoline, ap_trampoline_end
.code16
ap_trampoline:
    cli
    cld
    mov ax, cs
    mov ds, ax
    .byte 0x66, 0x0f, 0x01, 0x16        // lgdt [...], with a 32-bit operand: all of the base
    .word ap_gdt_pointer - ap_trampoline
    mov eax, cr0
    or al, 1                            // PE
    mov cr0, eax
    .byte 0x66, 0xea                    // far jump with a 32-bit offset
    .long ap_protected - 0xffffffff80000000
    .word 0x18
.balign 4
ap_gdt_pointer:
    .word 31
    .long boot_gdt - 0xffffffff80000000
ap_trampoline_end:

.section .bss.ap, "aw", @nobits
.balign 8
.global ap_root, ap_numbers
ap_root:            .skip 8             // physical address of the kernel's root table
ap_numbers:         .skip 256           // number of the CPU with this APIC id; 0: not to be started

.section .text.boot, "ax"
.code32
ap_protected:
    mov eax, 0x10
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov eax, 0x80000001
    cpuid
    mov esi, edx                        // bit 20: NX
    mov ebx, 1                          // not the first CPU
    jmp enter_long_mode

.code64
.global ap_higher_half
ap_higher_half:
    mov eax, 1
    cpuid
    shr ebx, 24                         // the APIC id
    movzx edi, byte ptr [ap_numbers + rbx]
    test edi, edi
    jz 1f
    mov rax, [ap_root]
    mov cr3, rax
    mov rsp, rdi
    shl rsp, {AREA_SHIFT}
    movabs rax, {FIRST_STACK_TOP}
    add rsp, rax
    xor ebp, ebp                        // end of the frame-pointer chain
    fninit
    ldmxcsr [rip + default_mxcsr]
    call ap_main
    ud2
1:  cli
    hlt
    jmp 1b
