import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { ProcessIdentity } from '../../kernel/processes.ts';

/** What a later daemon must know of a container's or an exec's processes. */
export interface MonitorRecord {
  readonly id: string;
  readonly execId?: string;
  readonly bundle: string;
  readonly process: ProcessIdentity;
  readonly monitor: ProcessIdentity;
  readonly terminal: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  readonly logPath?: string;
  /** An exec that a later daemon has no use for. */
  readonly transient?: boolean;
  /** The kernel's boot id: pids and start times of another boot mean nothing. */
  readonly boot: string;
}

/** This boot's id. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Writes the record as a whole or not at all. */
export function writeRecord(path: string, record: MonitorRecord): void {
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Reads a record; undefined when there is none, or it is of another boot. */
export function readRecord(path: string, boot: string): MonitorRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as MonitorRecord;
    return record.boot === boot ? record : undefined;
  } catch {
    return undefined;
  }
}
