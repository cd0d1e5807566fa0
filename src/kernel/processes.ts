import { readFileSync } from 'node:fs';
import { Errno, SyscallError } from './errno.ts';
import { check, errno, libc, syscall } from './ffi.ts';

/** A process and when it started: a pid alone may by now be another process's. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat (proc(5)). */
  readonly startTime: number;
}

/** What /proc/PID/stat says of a process. */
export interface ProcessStat {
  /** `R`, `S`, … `Z` for a zombie. */
  readonly state: string;
  readonly parent: number;
  /** Pid of its process group's leader. */
  readonly group: number;
  /** Pid of its session's leader. */
  readonly session: number;
  readonly startTime: number;
}

/** State and start time of a process, or undefined when there is none. */
export function processStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
  };
}

/** The identity of a living process, or undefined. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = processStat(pid);
  return stat === undefined ? undefined : { pid, startTime: stat.startTime };
}

/** True while that very process lives; a zombie does not. */
export function isAlive(process: ProcessIdentity): boolean {
  const stat = processStat(process.pid);
  return (
    stat !== undefined && stat.startTime === process.startTime && stat.state !== 'Z' && stat.state !== 'X'
  );
}

/**
 * Sends a signal to that very process through a pidfd, so that it never reaches another one with the same pid.
 * Returns false when the process has ended. Throws a SyscallError (EPERM, EINVAL).
 */
export function signalProcess(process: ProcessIdentity, signal: number): boolean {
  let fd: number;
  try {
    fd = syscall('pidfd_open', String(process.pid), process.pid, 0);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ESRCH) return false;
    throw error;
  }
  try {
    if (!isAlive(process)) return false;
    syscall('pidfd_send_signal', String(process.pid), fd, signal, null, 0);
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ESRCH) return false;
    throw error;
  } finally {
    libc.close(fd);
  }
}

/**
 * SIGKILL to that very process and to those of its session's first group, when that session was made for it: by itself
 * or by a parent that has ended since (crun makes the session of an exec so). None is no error.
 */
export function killGroup(target: ProcessIdentity): void {
  const SIGKILL = 9;
  const stat = isAlive(target) ? processStat(target.pid) : undefined;
  if (!stat) return;
  const own = stat.group === stat.session && (stat.group === target.pid || !processStat(stat.group));
  try {
    if (own) process.kill(-stat.group, SIGKILL);
    else signalProcess(target, SIGKILL);
  } catch {
    // It has just ended.
  }
}

/** Makes orphans of this process's descendants its own children (prctl(2)), so that `reap` can learn their codes. */
export function becomeSubreaper(): void {
  const PR_SET_CHILD_SUBREAPER = 36;
  check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n), 'prctl', 'child subreaper');
}

const WNOHANG = 1;
const WEXITED = 4;

/** Pid of a child that has ended and was not waited for, or undefined. It stays so. */
export function peekEndedChild(): number | undefined {
  const P_ALL = 0;
  const WNOWAIT = 0x1000000;
  const info = Buffer.alloc(128);
  if (libc.waitid(P_ALL, 0, info, WNOHANG | WEXITED | WNOWAIT) < 0) return undefined;
  return info.readInt32LE(0) === 0 ? undefined : info.readInt32LE(16);
}

/**
 * Takes the exit status of one child that has ended: the code as a shell reports it, `running` while it lives,
 * `not-ours` when it is no child of this process.
 */
export function reap(pid: number): number | 'running' | 'not-ours' {
  const P_PID = 1;
  const info = Buffer.alloc(128);
  if (libc.waitid(P_PID, pid, info, WNOHANG | WEXITED) < 0) {
    return errno() === Errno.EINTR ? 'running' : 'not-ours';
  }
  // siginfo_t: si_signo, si_errno, si_code, (padding), si_pid, si_uid, si_status.
  if (info.readInt32LE(0) === 0) return 'running';
  const CLD_EXITED = 1;
  const status = info.readInt32LE(24);
  return info.readInt32LE(8) === CLD_EXITED ? status : 128 + status;
}
