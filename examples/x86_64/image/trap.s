// Trap entry: 256 stubs, one way in, one way out; and the two instructions that may fault.
//
// Each gate switches to an IST stack, because the interrupted code may use the 128 bytes below its stack pointer (red zone of
// the precompiled core) and because its stack may be the fault. Exceptions are handled there. An interrupt moves its frame to
// the interrupted stack, below the red zone, before anything else, so that its IST stack is free for the next one.
// The saved frame is `kos_x86_64::trap::Frame`; SSE state is saved below it, because handlers are Rust code, which uses SSE.

.section .text.trap, "ax"

// Vectors for which the CPU pushes an error code: 8, 10-14, 17, 21, 29, 30.
.set ERROR_CODES, 0x60227d00

.balign 16
.global trap_stubs
trap_stubs:
.set vector, 0
.rept 256
    .balign 16
    .if vector >= 32
        push 0
        push vector
        jmp interrupt_entry
    .else
        .if ((ERROR_CODES >> vector) & 1) == 0
        push 0
        .endif
        push vector
        jmp exception_entry
    .endif
    .set vector, vector + 1
.endr

interrupt_entry:
    test byte ptr [rsp + 3 * 8], 3      // the privilege level that was interrupted
    jnz user_trapped
    push rax
    push rcx
    mov rax, [rsp + 16 + 5 * 8]         // the interrupted stack pointer
    sub rax, 128                        // its red zone
    and rax, -16
    .set word, 0
    .rept 7                             // vector, error code, rip, cs, rflags, rsp, ss
    mov rcx, [rsp + 16 + word * 8]
    mov [rax - 56 + word * 8], rcx
    .set word, word + 1
    .endr
    mov rcx, [rsp + 8]
    mov [rax - 64], rcx                 // rax
    mov rcx, [rsp]
    lea rsp, [rax - 64]
    pop rax
    jmp trap_entry

// Those that strike anywhere (vectors 1, 2, 8, 18) may come between the `swapgs` of an entry or exit and ring 3, with GS still,
// or again, the program's. Its base is 0, that of the kernel in the upper half. None of them returns.
.set ANYWHERE, 0x40106
exception_entry:
    test byte ptr [rsp + 3 * 8], 3
    jnz user_trapped
    push rax
    push rcx
    push rdx
    mov ecx, [rsp + 3 * 8]
    mov eax, ANYWHERE
    bt eax, ecx
    jnc 2f
    mov ecx, 0xc0000101                 // the base of GS
    rdmsr
    test edx, edx
    js 2f
    swapgs
2:  pop rdx
    pop rcx
    pop rax

trap_entry:
    push rax
    push rbx
    push rcx
    push rdx
    push rsi
    push rdi
    push rbp
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    push 2                              // no direction, no access to programs' memory: flags of the interrupted code
    popfq
    mov rdi, rsp
    mov rbx, rsp
    sub rsp, 512
    and rsp, -16
    fxsave64 [rsp]
    fninit                              // the handler's own floating-point environment
    ldmxcsr [rip + default_mxcsr]
    call trap_handle
    fxrstor64 [rsp]
    mov rsp, rbx
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rbp
    pop rdi
    pop rsi
    pop rdx
    pop rcx
    pop rbx
    pop rax
    add rsp, 16                         // vector, error code
    iretq

.balign 4
.global default_mxcsr
default_mxcsr: .long 0x1f80             // all exceptions masked, round to nearest

// fn(address in rdi) -> 0, or what the handler puts into rax when it resumes at probe_refused.
.global probe_read, probe_read_access
probe_read:
    xor eax, eax
probe_read_access:
    mov cl, [rdi]
    ret

.global probe_write, probe_write_access
probe_write:
    xor eax, eax
probe_write_access:
    lock or byte ptr [rdi], 0           // load and store in one: finds a missing right to write, changes nothing
    ret

.global probe_refused
probe_refused:
    ret
