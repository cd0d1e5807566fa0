import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Errno, SyscallError } from '../../kernel/errno.ts';
import { writeFifo } from '../../kernel/pipe.ts';

/** What crun writes about a container to `ROOT/ID/status`. */
export interface CrunStatus {
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTime: number;
  /** The container's cgroup below each hierarchy, with a leading slash. */
  readonly cgroupPath: string;
}

/** Reads the status of a container, or undefined when crun does not know it (or was killed while writing). */
export function readCrunStatus(stateDirectory: string): CrunStatus | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(stateDirectory, 'status'), 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const fields = value as Record<string, unknown>;
    return {
      pid: Number(fields.pid ?? 0),
      startTime: Number(fields['process-start-time'] ?? 0),
      cgroupPath: String(fields['cgroup-path'] ?? ''),
    };
  } catch {
    return undefined;
  }
}

const GATE = 'exec.fifo';

/**
 * Opens the gate of a created container as `crun start` does, without the process: the first process waits for a
 * byte on a FIFO, and the FIFO's absence makes crun call the container running. Returns false when there is no
 * gate or nobody waits at it.
 */
export function openGate(stateDirectory: string): boolean {
  const path = join(stateDirectory, GATE);
  try {
    writeFifo(path, Uint8Array.of(0));
  } catch (error) {
    if (error instanceof SyscallError && (error.errno === Errno.ENOENT || error.errno === Errno.ENXIO)) {
      return false;
    }
    throw error;
  }
  try {
    unlinkSync(path);
  } catch {
    // The first process may have removed it, or `delete` the whole directory.
  }
  return true;
}

/**
 * True when a created container's first process (`pid`) still waits for its gate to be opened. The FIFO alone does
 * not tell: a daemon that was killed between opening the gate and removing the FIFO leaves it, and `crun start`
 * would then wait for ever for a reader. While it waits, the process is still the fork of `crun create`.
 */
export function waitsAtGate(stateDirectory: string, pid: number): boolean {
  if (!existsSync(join(stateDirectory, GATE))) return false;
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return argv.includes(`--root=${dirname(stateDirectory)}`) && argv.includes('create');
  } catch {
    // It has ended.
    return false;
  }
}
