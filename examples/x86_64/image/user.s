// Programs: into ring 3, and back by a system call, a fault or an interrupt.
//
// `user_enter` returns when the program leaves: whoever brings it back stores its registers in the frame that the CPU's data
// names, and goes on where `user_enter` was called. Interrupts are masked from its call to its return, but not in between.
// Outside the kernel GS is the program's; `swapgs` exchanges the two.
// Sources: Intel SDM volume 2, SYSCALL, SYSRET, SWAPGS; volume 3, sections 5.8.8 and 7.12.

.section .text.user, "ax"

.set AT_R15, 0 * 8
.set AT_R14, 1 * 8
.set AT_R13, 2 * 8
.set AT_R12, 3 * 8
.set AT_R11, 4 * 8
.set AT_R10, 5 * 8
.set AT_R9, 6 * 8
.set AT_R8, 7 * 8
.set AT_RBP, 8 * 8
.set AT_RDI, 9 * 8
.set AT_RSI, 10 * 8
.set AT_RDX, 11 * 8
.set AT_RCX, 12 * 8
.set AT_RBX, 13 * 8
.set AT_RAX, 14 * 8
.set AT_VECTOR, 15 * 8
.set AT_ERROR_CODE, 16 * 8
.set AT_RIP, 17 * 8
.set AT_CS, 18 * 8
.set AT_RFLAGS, 19 * 8
.set AT_RSP, 20 * 8
.set AT_SS, 21 * 8

// fn(frame in rdi): interrupts masked, called and returned.
.global user_enter
user_enter:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    mov gs:[{KERNEL_STACK}], rsp
    mov gs:[{FRAME}], rdi
    mov eax, [rdi + {COMPONENTS}]
    xor edx, edx
    test eax, eax
    jz 2f
    xrstor64 [rdi + {WIDE}]
    jmp 3f
2:  fxrstor64 [rdi + {WIDE}]
3:  mov r15, [rdi + AT_R15]
    mov r14, [rdi + AT_R14]
    mov r13, [rdi + AT_R13]
    mov r12, [rdi + AT_R12]
    mov r10, [rdi + AT_R10]
    mov r9, [rdi + AT_R9]
    mov r8, [rdi + AT_R8]
    mov rbp, [rdi + AT_RBP]
    mov rsi, [rdi + AT_RSI]
    mov rdx, [rdi + AT_RDX]
    mov rbx, [rdi + AT_RBX]
    mov rax, [rdi + AT_RAX]
    cmp qword ptr [rdi + {CALLED}], 0
    je 4f
    mov rcx, [rdi + AT_RIP]                // below `USER_END`: SYSRET would fault in ring 0 at others
    mov r11, [rdi + AT_RFLAGS]
    mov rsp, [rdi + AT_RSP]
    mov rdi, [rdi + AT_RDI]
    swapgs
    sysretq
4:  push qword ptr [rdi + AT_SS]
    push qword ptr [rdi + AT_RSP]
    push qword ptr [rdi + AT_RFLAGS]
    push qword ptr [rdi + AT_CS]
    push qword ptr [rdi + AT_RIP]
    mov rcx, [rdi + AT_RCX]
    mov r11, [rdi + AT_R11]
    mov rdi, [rdi + AT_RDI]
    swapgs
    iretq

// A system call: the next instruction in rcx, the flags in r11, the program's stack.
.global user_called
user_called:
    swapgs
    mov gs:[{SCRATCH}], rsp
    mov rsp, gs:[{FRAME}]
    mov [rsp + AT_RAX], rax
    mov rax, rsp
    mov rsp, gs:[{SCRATCH}]
    mov [rax + AT_RSP], rsp
    mov rsp, gs:[{KERNEL_STACK}]
    mov [rax + AT_RIP], rcx
    mov [rax + AT_RFLAGS], r11
    mov qword ptr [rax + AT_VECTOR], {SYSTEM_CALL}
    mov qword ptr [rax + {CALLED}], 1
    call save_rest
    jmp user_left

// A trap of the program: the stack is one of the interrupt stack table, with vector, error code and what the CPU pushed.
.global user_trapped
user_trapped:
    swapgs
    push rax
    mov rax, gs:[{FRAME}]
    mov [rax + AT_RCX], rcx
    mov [rax + AT_R11], r11
    pop qword ptr [rax + AT_RAX]
    pop qword ptr [rax + AT_VECTOR]
    pop qword ptr [rax + AT_ERROR_CODE]
    pop qword ptr [rax + AT_RIP]
    pop qword ptr [rax + AT_CS]
    pop qword ptr [rax + AT_RFLAGS]
    pop qword ptr [rax + AT_RSP]
    pop qword ptr [rax + AT_SS]
    mov rcx, cr2
    mov [rax + {FAULT_ADDRESS}], rcx
    mov qword ptr [rax + {CALLED}], 0
    mov rsp, gs:[{KERNEL_STACK}]
    push 2                              // no flag of the program reaches the kernel
    popfq
    call save_rest
    jmp user_left

save_rest:
    mov [rax + AT_RDI], rdi
    mov [rax + AT_RSI], rsi
    mov [rax + AT_RDX], rdx
    mov [rax + AT_RBX], rbx
    mov [rax + AT_RBP], rbp
    mov [rax + AT_R8], r8
    mov [rax + AT_R9], r9
    mov [rax + AT_R10], r10
    mov [rax + AT_R12], r12
    mov [rax + AT_R13], r13
    mov [rax + AT_R14], r14
    mov [rax + AT_R15], r15
    ret

// The frame in rax, on the stack of `user_enter`.
user_left:
    mov rdi, rax
    mov eax, [rdi + {COMPONENTS}]
    xor edx, edx
    test eax, eax
    jz 2f
    xsave64 [rdi + {WIDE}]
    jmp 3f
2:  fxsave64 [rdi + {WIDE}]
3:  fninit                              // the kernel's own floating-point environment
    ldmxcsr [rip + default_mxcsr]
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
