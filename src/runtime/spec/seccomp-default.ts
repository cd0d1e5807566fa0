/**
 * Docker's default seccomp policy as facts (docs.docker.com/engine/security/seccomp): everything is refused with
 * EPERM but what is listed here. System calls are grouped by what they are for; names that an architecture or
 * its libseccomp does not know are left out by crun.
 */

/** Rules that hold when all conditions do. */
export interface SeccompRule {
  /** Names, separated by spaces. */
  readonly calls: string;
  /** Docker's architecture names (`amd64`): one of them must be the machine's. */
  readonly architectures?: readonly string[];
  /** The container has this capability. */
  readonly capability?: string;
  /** The container does not have it. */
  readonly withoutCapability?: string;
  /** Lowest kernel release. */
  readonly kernel?: readonly [number, number];
  /** The first argument's comparison. */
  readonly argument?: { readonly operator: string; readonly value: number; readonly valueTwo?: number };
  /** Refused with this errno instead of allowed. */
  readonly errno?: number;
}

const FILES = [
  'access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2',
  'fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl',
  'fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64',
  'fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch',
  'inotify_init inotify_init1 inotify_rm_watch ioctl lchown lchown32 lgetxattr link linkat listxattr listxattrat',
  'llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at',
  'newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead',
  'readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr',
  'setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate',
  'truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev',
  'landlock_add_rule landlock_create_ruleset landlock_restrict_self listmount statmount',
];

const WAITING = [
  'epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd',
  'eventfd2 io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit _newselect poll',
  'ppoll ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4',
];

const PROCESSES = [
  'capget capset execve execveat exit exit_group fork getcpu getegid getegid32 geteuid geteuid32 getgid getgid32',
  'getgroups getgroups32 getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid getresuid32',
  'getrlimit get_robust_list getrusage getsid get_thread_area gettid getuid getuid32 ioprio_get ioprio_set kill',
  'pause pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease restart_syscall rseq rt_sigaction',
  'rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64',
  'rt_tgsigqueueinfo sched_getaffinity sched_getattr sched_getparam sched_get_priority_max sched_get_priority_min',
  'sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr',
  'sched_setparam sched_setscheduler sched_yield seccomp setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32',
  'setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32',
  'setreuid setreuid32 setrlimit set_robust_list setsid set_thread_area set_tid_address setuid setuid32 sigaltstack',
  'sigprocmask sigreturn sysinfo tgkill times tkill ugetrlimit uname uretprobe vfork wait4 waitid waitpid',
  'lsm_get_self_attr lsm_list_modules lsm_set_self_attr',
];

const MEMORY = [
  'brk cachestat futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake getrandom madvise',
  'map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap',
  'mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages',
];

const MESSAGES = [
  'ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64',
  'mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget',
];

const NETWORK = [
  'accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64',
  'recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair',
];

const CLOCKS = [
  'adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64',
  'clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete',
  'timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime',
  'timerfd_gettime64 timerfd_settime timerfd_settime64',
];

/** CLONE_NEW* flags but CLONE_NEWTIME: namespaces that nobody without CAP_SYS_ADMIN may make. */
const CLONE_NEW = 0x7e020000;
/** An address family through which the host could be reached: virtio sockets. */
const AF_VSOCK = 40;
/** personality(2): queries and the harmless ones (PER_LINUX, PER_LINUX32, UNAME26 alone and with LINUX32). */
const PERSONALITIES = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];
const ENOSYS = 38;

const all = (...groups: string[][]): string => groups.flat().join(' ');

/** The policy's rules, in order. */
export const DEFAULT_RULES: readonly SeccompRule[] = [
  { calls: all(FILES, WAITING, PROCESSES, MEMORY, MESSAGES, NETWORK, CLOCKS) },
  // Before 4.8 a tracer could get round the filter.
  { calls: 'process_vm_readv process_vm_writev ptrace', kernel: [4, 8] },
  { calls: 'socket', argument: { operator: 'SCMP_CMP_NE', value: AF_VSOCK } },
  ...PERSONALITIES.map((value) => ({
    calls: 'personality',
    argument: { operator: 'SCMP_CMP_EQ', value },
  })),
  {
    calls: 'arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls',
    architectures: ['arm', 'arm64'],
  },
  { calls: 'arch_prctl', architectures: ['amd64'] },
  { calls: 'modify_ldt', architectures: ['amd64'] },
  { calls: 'riscv_flush_icache riscv_hwprobe', architectures: ['riscv64'] },
  { calls: 'open_by_handle_at', capability: 'CAP_DAC_READ_SEARCH' },
  {
    calls:
      'bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare',
    capability: 'CAP_SYS_ADMIN',
  },
  {
    calls: 'clone',
    withoutCapability: 'CAP_SYS_ADMIN',
    argument: { operator: 'SCMP_CMP_MASKED_EQ', value: CLONE_NEW, valueTwo: 0 },
  },
  // Its flags are in memory, where a filter cannot look; ENOSYS makes the C library fall back to clone.
  { calls: 'clone3', withoutCapability: 'CAP_SYS_ADMIN', errno: ENOSYS },
  { calls: 'reboot', capability: 'CAP_SYS_BOOT' },
  { calls: 'chroot', capability: 'CAP_SYS_CHROOT' },
  { calls: 'delete_module init_module finit_module', capability: 'CAP_SYS_MODULE' },
  { calls: 'acct', capability: 'CAP_SYS_PACCT' },
  {
    calls: 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace',
    capability: 'CAP_SYS_PTRACE',
  },
  { calls: 'iopl ioperm', capability: 'CAP_SYS_RAWIO' },
  { calls: 'settimeofday stime clock_settime clock_settime64', capability: 'CAP_SYS_TIME' },
  { calls: 'vhangup', capability: 'CAP_SYS_TTY_CONFIG' },
  {
    calls: 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node',
    capability: 'CAP_SYS_NICE',
  },
  { calls: 'syslog', capability: 'CAP_SYSLOG' },
  { calls: 'bpf', capability: 'CAP_BPF' },
  { calls: 'perf_event_open', capability: 'CAP_PERFMON' },
];
