import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { identify, type ProcessIdentity } from '../../kernel/processes.ts';

/**
 * The monitor that is making a container, found among all processes: for a daemon that comes back while a start of
 * the last one is under way, of which nothing is recorded yet. `crunRoot` tells it from other daemons' monitors.
 */
export function findMonitor(crunRoot: string, id: string): ProcessIdentity | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const argv = commandLine(name);
    if (basename(argv[0] ?? '') !== 'conmon' || argv.includes('--exec')) continue;
    if (!argv.includes(`--runtime-arg=--root=${crunRoot}`) || argv[argv.indexOf('-c') + 1] !== id) continue;
    return identify(Number(name));
  }
  return undefined;
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It ended while we looked.
    return [];
  }
}
