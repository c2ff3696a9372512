// The first instruction of every program, and the four functions of memory that the compiler calls.

.section .text.start, "ax"
.global _start
_start:
    xor ebp, ebp
    and rsp, -16
    call {begin}
    ud2

.global memcpy
memcpy:
    mov rax, rdi
    mov rcx, rdx
    rep movsb
    ret

.global memmove
memmove:
    mov rax, rdi
    mov rcx, rdx
    mov r8, rdi
    sub r8, rsi
    cmp r8, rdx
    jb 2f                               // the target begins within the source
    rep movsb
    ret
2:  lea rdi, [rdi + rcx - 1]
    lea rsi, [rsi + rcx - 1]
    std
    rep movsb
    cld
    ret

.global memset
memset:
    mov r8, rdi
    mov eax, esi
    mov rcx, rdx
    rep stosb
    mov rax, r8
    ret

.global memcmp, bcmp
memcmp:
bcmp:
    mov rcx, rdx
    xor eax, eax
    cmp rcx, rcx                        // equal, if there is nothing to compare
    repe cmpsb
    je 2f
    movzx eax, byte ptr [rdi - 1]
    movzx ecx, byte ptr [rsi - 1]
    sub eax, ecx
2:  ret
.text
