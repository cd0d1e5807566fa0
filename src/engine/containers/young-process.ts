import { readFileSync } from 'node:fs';
import type { Container } from './model.ts';
import { parseMode } from './modes.ts';

/** How long after its start a container's first process is given to set its handlers up. Milliseconds. */
const YOUTH = 300;
/** Milliseconds between two looks. */
const STEP = 5;
/** SIGKILL and SIGSTOP reach every process. */
const FORCED = [9, 19];

/**
 * The kernel throws a signal away that the first process of a pid namespace has no handler for (pid_namespaces(7)).
 * Tare starts containers so fast that `run -d` followed by `stop` would come before a shell's `trap`, and the
 * stop would last its whole grace. So a signal that would be lost on a process that has only just been started
 * waits for the handler, at most until the process is YOUTH old.
 */
export async function untilReceptive(
  { state, hostConfig }: Pick<Container, 'state' | 'hostConfig'>,
  signal: number,
  readStatus: (pid: number) => string = statusOf,
): Promise<void> {
  const pidMode = parseMode(hostConfig.pidMode ?? '', 'PID');
  const first = pidMode.kind === 'word' && pidMode.word !== 'host';
  if (state.status !== 'running' || !first || FORCED.includes(signal)) return;
  while (Date.now() - state.startedAt < YOUTH && isLost(readStatus(state.pid), signal)) {
    await Bun.sleep(STEP);
  }
}

/** True when a first process with this `/proc/PID/status` neither catches, blocks nor ignores the signal. */
export function isLost(status: string, signal: number): boolean {
  const bit = 1n << BigInt(signal - 1);
  const masks = [...status.matchAll(/^Sig(?:Blk|Ign|Cgt):\s*([0-9a-f]+)$/gm)];
  return masks.length > 0 && masks.every(([, mask]) => (BigInt(`0x${mask}`) & bit) === 0n);
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    // It has ended.
    return '';
  }
}
