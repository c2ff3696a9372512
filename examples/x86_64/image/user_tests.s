// Programs of a few instructions, for the in-kernel tests of ring 3. Each is copied to a page of its own; the numbers are those of
// `user_tests.rs`. A program begins with its argument in rdi.

.section .rodata.user_tests, "a"

.macro program name
    .balign 16
    .global user_test_\name, user_test_\name\()_end
    user_test_\name:
.endm
.macro ends name
    user_test_\name\()_end:
.endm

// Calls with number 1 and six arguments; then with number 2 and what came back.
program call
    mov eax, 1
    mov edi, 10
    mov esi, 11
    mov edx, 12
    mov r10d, 13
    mov r8d, 14
    mov r9d, 15
    mov r12d, 16
    syscall
    mov rdi, rax
    mov rsi, r12
    mov eax, 2
    syscall
    ud2
ends call

// Sets every flag that it may, and calls; then tells what they are.
program flags
    pushfq
    pop rax
    or rax, 0x254dd5                    // ID AC NT OF DF TF SF ZF AF PF CF
    and rax, -257                       // not TF: that would be a trap
    push rax
    popfq
    mov eax, 3
    syscall
    pushfq
    pop rdi
    mov eax, 4
    syscall
    ud2
ends flags

// Counts up in vector and general registers, for ever.
program count
    xor eax, eax
    movq xmm0, rdi
2:  inc rax
    pause
    jmp 2b
ends count

program privileged
    hlt
ends privileged

program port
    in al, 0x60
    ud2
ends port

program undefined
    ud2
ends undefined

program divide
    xor ecx, ecx
    div ecx
ends divide

program breakpoint
    int3
ends breakpoint

program step
    push 0x302
    popfq
    nop
    nop
ends step

program gate
    int 0x20
ends gate

program read
    mov rax, [rdi]
ends read

program write
    mov [rdi], rax
ends write

program jump
    jmp rdi
ends jump

// A stack pointer that is no address, at a system call.
program stack
    mov rsp, rdi
    mov eax, 5
    syscall
    ud2
ends stack

// Loads the segment registers with what they may hold, then with the kernel's data segment.
program segments
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov gs, eax
    mov fs, eax
    mov eax, 6
    syscall
    mov eax, 0x10
    mov gs, eax
ends segments
