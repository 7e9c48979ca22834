"""Which system calls a jailed process may make: numbers from the kernel's asm/unistd.h.

What is in none of the tables is answered with ENOSYS, so that a call that a later kernel adds is closed too.
"""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["ALLOWED", "DEADLY", "NUMBERS", "REFUSED"]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: allowed as they are: computing, memory, threads of one's own, clocks, and descriptors that are already open.
ALLOWED = _names(
    "read write readv writev futex mmap munmap mprotect madvise brk mremap close fstat lseek poll ppoll "
    "sched_yield clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday getrandom getpid gettid getppid "
    "getuid geteuid getgid getegid getcwd exit exit_group rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack "
    "restart_syscall set_robust_list set_tid_address rseq sched_getaffinity sched_getparam sched_getscheduler "
    "sched_get_priority_max sched_get_priority_min getpriority getcpu getrusage times sysinfo uname membarrier "
    "get_mempolicy mincore mlock munlock dup eventfd2 pipe2 arch_prctl futex_waitv pkey_alloc pkey_free "
    "pkey_mprotect set_mempolicy mbind "
    # the last line: with some arguments only, see seccomp.py
    "clone ioctl fcntl prctl tgkill kill prlimit64 sched_setaffinity"
)

#: answered with EPERM: what a library may try in good faith.
REFUSED = _names(
    "socket socketpair connect bind listen accept accept4 sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg "
    "setsockopt getsockopt shutdown "
    "open creat openat openat2 stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat "
    "getdents getdents64 statfs "
    "truncate ftruncate fallocate rename renameat renameat2 mkdir mkdirat rmdir unlink unlinkat link linkat symlink "
    "symlinkat chmod fchmod fchmodat chown fchown lchown fchownat utime utimes futimesat utimensat mknod mknodat "
    "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr chdir fchdir memfd_create memfd_secret "
    "fork vfork tkill setrlimit setpriority rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal "
    "shmget shmat shmctl semget semop semctl msgget msgsnd msgrcv msgctl mq_open copy_file_range splice tee "
    "sendfile setuid setgid setreuid setregid setresuid setresgid setgroups setsid setpgid sync syncfs"
)

#: the process is killed: no honest computation comes near these.
DEADLY = _names(
    "execve execveat ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp io_uring_setup io_uring_enter "
    "io_uring_register bpf perf_event_open userfaultfd keyctl add_key request_key mount umount2 move_mount "
    "open_tree fsopen fsmount fsconfig fspick mount_setattr pivot_root chroot unshare setns open_by_handle_at "
    "name_to_handle_at init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff "
    "acct settimeofday clock_settime clock_adjtime adjtimex personality modify_ldt iopl ioperm uselib quotactl "
    "fanotify_init capset seccomp"
)

_NEW = (  # the same number on every architecture
    "pidfd_send_signal 424 io_uring_setup 425 io_uring_enter 426 io_uring_register 427 open_tree 428 move_mount 429 "
    "fsopen 430 fsconfig 431 fsmount 432 fspick 433 pidfd_open 434 openat2 437 pidfd_getfd 438 faccessat2 439 "
    "mount_setattr 442 memfd_secret 447 futex_waitv 449 "
)
_X86_64 = (
    "read 0 write 1 open 2 close 3 stat 4 fstat 5 lstat 6 poll 7 lseek 8 mmap 9 mprotect 10 munmap 11 brk 12 "
    "rt_sigaction 13 rt_sigprocmask 14 rt_sigreturn 15 ioctl 16 readv 19 writev 20 access 21 sched_yield 24 mremap 25 "
    "mincore 27 madvise 28 shmget 29 shmat 30 shmctl 31 dup 32 nanosleep 35 getpid 39 sendfile 40 socket 41 connect 42 "
    "accept 43 sendto 44 recvfrom 45 sendmsg 46 recvmsg 47 shutdown 48 bind 49 listen 50 socketpair 53 setsockopt 54 "
    "getsockopt 55 clone 56 fork 57 vfork 58 execve 59 exit 60 kill 62 uname 63 semget 64 semop 65 semctl 66 "
    "msgget 68 msgsnd 69 msgrcv 70 msgctl 71 fcntl 72 truncate 76 ftruncate 77 getdents 78 getcwd 79 chdir 80 "
    "fchdir 81 rename 82 mkdir 83 rmdir 84 creat 85 link 86 unlink 87 symlink 88 readlink 89 chmod 90 fchmod 91 "
    "chown 92 fchown 93 lchown 94 gettimeofday 96 getrusage 98 sysinfo 99 times 100 ptrace 101 getuid 102 getgid 104 "
    "setuid 105 setgid 106 geteuid 107 getegid 108 setpgid 109 getppid 110 setsid 112 setreuid 113 setregid 114 "
    "setgroups 116 setresuid 117 setresgid 119 capset 126 rt_sigqueueinfo 129 sigaltstack 131 utime 132 mknod 133 "
    "uselib 134 personality 135 statfs 137 getpriority 140 setpriority 141 sched_getparam 143 sched_getscheduler 145 "
    "sched_get_priority_max 146 sched_get_priority_min 147 mlock 149 munlock 150 modify_ldt 154 pivot_root 155 "
    "prctl 157 arch_prctl 158 adjtimex 159 setrlimit 160 chroot 161 sync 162 acct 163 settimeofday 164 mount 165 "
    "umount2 166 swapon 167 swapoff 168 reboot 169 iopl 172 ioperm 173 init_module 175 delete_module 176 quotactl 179 "
    "gettid 186 setxattr 188 lsetxattr 189 fsetxattr 190 removexattr 197 lremovexattr 198 fremovexattr 199 tkill 200 "
    "futex 202 sched_setaffinity 203 sched_getaffinity 204 getdents64 217 set_tid_address 218 restart_syscall 219 "
    "clock_settime 227 clock_gettime 228 clock_getres 229 clock_nanosleep 230 exit_group 231 tgkill 234 utimes 235 "
    "mbind 237 set_mempolicy 238 get_mempolicy 239 mq_open 240 kexec_load 246 add_key 248 request_key 249 keyctl 250 "
    "openat 257 mkdirat 258 mknodat 259 fchownat 260 futimesat 261 newfstatat 262 unlinkat 263 renameat 264 linkat 265 "
    "symlinkat 266 readlinkat 267 fchmodat 268 faccessat 269 ppoll 271 unshare 272 set_robust_list 273 splice 275 "
    "tee 276 utimensat 280 fallocate 285 accept4 288 eventfd2 290 pipe2 293 rt_tgsigqueueinfo 297 perf_event_open 298 "
    "recvmmsg 299 fanotify_init 300 prlimit64 302 name_to_handle_at 303 open_by_handle_at 304 clock_adjtime 305 "
    "syncfs 306 sendmmsg 307 setns 308 getcpu 309 process_vm_readv 310 process_vm_writev 311 kcmp 312 finit_module 313 "
    "renameat2 316 seccomp 317 getrandom 318 memfd_create 319 kexec_file_load 320 bpf 321 execveat 322 "
    "userfaultfd 323 membarrier 324 copy_file_range 326 pkey_mprotect 329 pkey_alloc 330 pkey_free 331 statx 332 "
    "rseq 334 "
)
_AARCH64 = (
    "setxattr 5 lsetxattr 6 fsetxattr 7 removexattr 14 lremovexattr 15 fremovexattr 16 getcwd 17 eventfd2 19 dup 23 "
    "fcntl 25 ioctl 29 mknodat 33 mkdirat 34 unlinkat 35 symlinkat 36 linkat 37 renameat 38 umount2 39 mount 40 "
    "pivot_root 41 statfs 43 truncate 45 ftruncate 46 fallocate 47 faccessat 48 chdir 49 fchdir 50 chroot 51 fchmod 52 "
    "fchmodat 53 fchownat 54 fchown 55 openat 56 close 57 pipe2 59 quotactl 60 getdents64 61 lseek 62 read 63 write 64 "
    "readv 65 writev 66 sendfile 71 ppoll 73 splice 76 tee 77 readlinkat 78 newfstatat 79 fstat 80 sync 81 "
    "utimensat 88 acct 89 capset 91 personality 92 exit 93 exit_group 94 set_tid_address 96 unshare 97 futex 98 "
    "set_robust_list 99 nanosleep 101 kexec_load 104 init_module 105 delete_module 106 clock_settime 112 "
    "clock_gettime 113 clock_getres 114 clock_nanosleep 115 ptrace 117 sched_getscheduler 120 sched_getparam 121 "
    "sched_setaffinity 122 sched_getaffinity 123 sched_yield 124 sched_get_priority_max 125 sched_get_priority_min 126 "
    "restart_syscall 128 kill 129 tkill 130 tgkill 131 sigaltstack 132 rt_sigaction 134 rt_sigprocmask 135 "
    "rt_sigqueueinfo 138 rt_sigreturn 139 setpriority 140 getpriority 141 reboot 142 setregid 143 setgid 144 "
    "setreuid 145 setuid 146 setresuid 147 setresgid 149 times 153 setpgid 154 setsid 157 setgroups 159 uname 160 "
    "setrlimit 164 getrusage 165 prctl 167 getcpu 168 gettimeofday 169 settimeofday 170 adjtimex 171 getpid 172 "
    "getppid 173 getuid 174 geteuid 175 getgid 176 getegid 177 gettid 178 sysinfo 179 mq_open 180 msgget 186 "
    "msgctl 187 msgrcv 188 msgsnd 189 semget 190 semctl 191 semop 193 shmget 194 shmctl 195 shmat 196 socket 198 "
    "socketpair 199 bind 200 listen 201 accept 202 connect 203 sendto 206 recvfrom 207 setsockopt 208 getsockopt 209 "
    "shutdown 210 sendmsg 211 recvmsg 212 brk 214 munmap 215 mremap 216 add_key 217 request_key 218 keyctl 219 "
    "clone 220 execve 221 mmap 222 swapon 224 swapoff 225 mprotect 226 mlock 228 munlock 229 mincore 232 madvise 233 "
    "mbind 235 get_mempolicy 236 set_mempolicy 237 rt_tgsigqueueinfo 240 perf_event_open 241 accept4 242 recvmmsg 243 "
    "prlimit64 261 fanotify_init 262 name_to_handle_at 264 open_by_handle_at 265 clock_adjtime 266 syncfs 267 "
    "setns 268 sendmmsg 269 process_vm_readv 270 process_vm_writev 271 kcmp 272 finit_module 273 renameat2 276 "
    "seccomp 277 getrandom 278 memfd_create 279 bpf 280 execveat 281 userfaultfd 282 membarrier 283 "
    "copy_file_range 285 pkey_mprotect 288 pkey_alloc 289 pkey_free 290 statx 291 rseq 293 kexec_file_load 294 "
)


def _table(text: str) -> MappingProxyType[str, int]:
    words = (text + _NEW).split()
    return MappingProxyType(dict(zip(words[::2], map(int, words[1::2]), strict=True)))


#: name → number, for each processor; a call that a processor lacks is not in its table.
NUMBERS = MappingProxyType({"x86_64": _table(_X86_64), "aarch64": _table(_AARCH64)})
